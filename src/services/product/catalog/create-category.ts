import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Category } from '#contracts/resources/category.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockTree, readParent } from './category-rows.ts'
import { insertCategory } from './insert-category.ts'

/** Adds a category. A slug made from the name gives way to one that is taken; one that was asked for is refused then. */
export async function createCategory(tx: Transaction, { body }: Input<typeof catalogOperations.createCategory>): Promise<Category> {
  await lockTree(tx)
  return insertCategory(tx, body, newId(), await readParent(tx, body.parentId ?? null))
}
