import { CategoryCreated } from '#contracts/events/product-events.ts'
import { Problem } from '#contracts/problems.ts'
import type { Category, CreateCategory } from '#contracts/resources/category.ts'
import { announce } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { checkDepth, newCategory, type Parent } from './category.ts'
import { freeSlug } from './free-slug.ts'
import { slugOf } from './slug.ts'

/**
 * Puts a category below another and announces it; call it with the tree locked. A slug made from the name gives way to one that is taken;
 * one that was asked for is refused then.
 */
export async function insertCategory(
  tx: Transaction,
  given: CreateCategory,
  categoryId: string,
  parent: Parent
): Promise<Category> {
  checkDepth(parent, 1)
  const wanted = given.slug ?? slugOf(given.name, 'category')
  const at = new Date().toISOString()
  let category = newCategory(given, { categoryId, slug: wanted, parent }, at)
  while (!(await insertRow(tx, category))) {
    if (given.slug !== undefined) throw new Problem('slug-taken', `Another category has the slug ${wanted}`, { slug: wanted })
    category = newCategory(given, { categoryId, slug: await freeSlug(tx, 'categories', wanted, categoryId), parent }, at)
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
