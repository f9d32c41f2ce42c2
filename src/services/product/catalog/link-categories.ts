import { Problem } from '#contracts/problems.ts'
import type { Transaction } from '#platform/database.ts'

/** Puts a product into the categories that it is in from now on. Throws `reference-not-found` naming those that do not exist. */
export async function linkCategories(
  tx: Transaction,
  productId: string,
  { before, after }: { before: readonly string[]; after: readonly string[] }
): Promise<void> {
  const left = before.filter(id => !after.includes(id))
  const entered = after.filter(id => !before.includes(id))
  if (left.length > 0) {
    await tx.query('delete from product_categories where product_id = $1 and category_id = any($2::uuid[])', [productId, left])
  }
  if (entered.length === 0) return
  // The lock waits for whoever deletes one of them, and keeps it from being deleted until this commits.
  const rows = await tx.query<{ category_id: string }>(
    `with existing as (select category_id from categories where category_id = any($2::uuid[]) order by category_id for key share)
     insert into product_categories (product_id, category_id) select $1::uuid, category_id from existing returning category_id`,
    [productId, entered]
  )
  const linked = new Set(rows.map(row => row.category_id))
  const categoryIds = entered.filter(id => !linked.has(id))
  if (categoryIds.length > 0) {
    throw new Problem('reference-not-found', `There is no category ${categoryIds.join(', ')}`, { categoryIds })
  }
}
