import { CategoryCreated } from '#contracts/events/product-events.ts'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import { Problem } from '#contracts/problems.ts'
import type { Category } from '#contracts/resources/category.ts'
import type { Transaction } from '#platform/database.ts'
import type { Input } from '#platform/handlers.ts'
import { newId } from '#platform/id.ts'
import { announce } from '#platform/outbox.ts'
import { checkDepth, newCategory } from './category.ts'
import { lockTree, readParent } from './category-rows.ts'
import { freeSlug } from './free-slug.ts'
import { slugOf } from './slug.ts'

/** Adds a category. A slug made from the name gives way to one that is taken; one that was asked for is refused then. */
export async function createCategory(tx: Transaction, { body }: Input<typeof catalogOperations.createCategory>): Promise<Category> {
  await lockTree(tx)
  const parent = await readParent(tx, body.parentId ?? null)
  checkDepth(parent, 1)
  const categoryId = newId()
  const wanted = body.slug ?? slugOf(body.name, 'category')
  const at = new Date().toISOString()
  let category = newCategory(body, { categoryId, slug: wanted, parent }, at)
  while (!(await insertRow(tx, category))) {
    if (body.slug !== undefined) throw new Problem('slug-taken', `Another category has the slug ${wanted}`, { slug: wanted })
    category = newCategory(body, { categoryId, slug: await freeSlug(tx, 'categories', wanted, categoryId), parent }, at)
  }
  announce(tx, CategoryCreated, category, category.version)
  return category
}

/** Waits for whoever takes the slug now. False when they have it then. */
async function insertRow(tx: Transaction, category: Category): Promise<boolean> {
  const { categoryId, parentId, name, slug, description = null, path, version, createdAt, updatedAt } = category
  const rows = await tx.query(
    `insert into categories (category_id, parent_id, name, slug, description, path, version, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6::uuid[], $7, $8, $9) on conflict (slug) do nothing returning 1`,
    [categoryId, parentId, name, slug, description, path, version, createdAt, updatedAt]
  )
  return rows.length > 0
}
