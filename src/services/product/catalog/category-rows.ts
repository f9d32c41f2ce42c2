import { Problem } from '#contracts/problems.ts'
import type { Category } from '#contracts/resources/category.ts'
import type { Queryable, Transaction } from '#platform/postgres/database.ts'
import type { Parent } from './category.ts'

export type CategoryRow = {
  category_id: string
  parent_id: string | null
  name: string
  slug: string
  description: string | null
  path: string[]
  version: number
  created_at: string
  updated_at: string
}

/** A category as its row has it. */
export function categoryOf(row: CategoryRow): Category {
  return {
    categoryId: row.category_id,
    parentId: row.parent_id,
    name: row.name,
    slug: row.slug,
    ...(row.description === null ? {} : { description: row.description }),
    path: row.path,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }
}

/** Reads a category. Throws `not-found`. */
export async function readCategory(database: Queryable, categoryId: string): Promise<Category> {
  return found(await database.query<CategoryRow>('select * from categories where category_id = $1', [categoryId]))
}

/** Reads a category and locks it until the transaction ends; products may still be put into it. Throws `not-found`. */
export async function lockCategory(tx: Transaction, categoryId: string): Promise<Category> {
  return found(await tx.query<CategoryRow>('select * from categories where category_id = $1 for no key update', [categoryId]))
}

function found([row]: CategoryRow[]): Category {
  if (!row) throw new Problem('not-found')
  return categoryOf(row)
}

/**
 * From here to the end of the transaction no other one changes the shape of the tree, so that paths stay true and two moves cannot
 * make a cycle of what is none for each alone. Taken before any lock of a category's row.
 */
export async function lockTree(tx: Transaction): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('categories', 3))`)
}

/** Where a category may be put; null is the top. Call it with the tree locked. Throws `reference-not-found`. */
export async function readParent(tx: Transaction, parentId: string | null): Promise<Parent> {
  if (parentId === null) return null
  const [row] = await tx.query<CategoryRow>('select * from categories where category_id = $1 for key share', [parentId])
  if (!row) throw new Problem('reference-not-found', `There is no category ${parentId}`, { parentId })
  return categoryOf(row)
}
