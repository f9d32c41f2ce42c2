import { CategoryDeleted } from '#contracts/events/product-events.ts'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import { Problem } from '#contracts/problems.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announce } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { violated } from '#platform/postgres/database-errors.ts'
import { lockCategory } from './category-rows.ts'

/** Deletes a category that has no subcategories and no products. */
export async function deleteCategory(
  tx: Transaction,
  { params: { categoryId }, expected }: Input<typeof catalogOperations.deleteCategory>
): Promise<undefined> {
  const category = await lockCategory(tx, categoryId)
  const { slug, version } = category
  keepBefore(tx, category)
  checkVersion(expected, version)
  try {
    await tx.query('delete from categories where category_id = $1 and version = $2', [categoryId, version])
  } catch (error) {
    if (violated(error) === undefined) throw error
    const what = violated(error) === 'categories_parent_id_fkey' ? 'subcategories' : 'products'
    throw new Problem('category-in-use', `The category still has ${what}`, { categoryId })
  }
  announce(tx, CategoryDeleted, { categoryId, slug }, version + 1)
}
