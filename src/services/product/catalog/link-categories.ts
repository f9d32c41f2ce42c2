import { Problem } from '#contracts/problems.ts'
import { uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'

/** The categories that a product was in and is in from now on. */
export type CategoryLinks = { productId: string; before: readonly string[]; after: readonly string[] }

/** Puts products into the categories that they are in from now on. Throws `reference-not-found` naming those that do not exist. */
export async function linkCategories(tx: Transaction, links: readonly CategoryLinks[]): Promise<void> {
  const left = links.flatMap(({ productId, before, after }) => pairs(productId, before, after))
  const entered = links.flatMap(({ productId, before, after }) => pairs(productId, after, before))
  if (left.length > 0) {
    tx.send(
      `delete from product_categories using unnest($1::uuid[], $2::uuid[]) as l (product_id, category_id)
       where product_categories.product_id = l.product_id and product_categories.category_id = l.category_id`,
      columnsOf(left)
    )
  }
  if (entered.length === 0) return
  // The lock waits for whoever deletes one of them, and keeps it from being deleted until this commits.
  const rows = await tx.query<{ category_id: string }>(
    `with existing as (
       select category_id from categories where category_id = any($2::uuid[]) order by category_id for key share
     ), linked as (
       insert into product_categories (product_id, category_id)
       select l.product_id, l.category_id from unnest($1::uuid[], $2::uuid[]) as l (product_id, category_id) join existing using (category_id)
     )
     select category_id from existing`,
    columnsOf(entered)
  )
  const existing = new Set(rows.map(row => row.category_id))
  const categoryIds = [...new Set(entered.map(pair => pair.categoryId))].filter(id => !existing.has(id))
  if (categoryIds.length > 0) {
    throw new Problem('reference-not-found', `There is no category ${categoryIds.join(', ')}`, { categoryIds })
  }
}

type Pair = { productId: string; categoryId: string }

/** A product with each category of a list that is not in another. */
function pairs(productId: string, of: readonly string[], without: readonly string[]): Pair[] {
  return of.filter(categoryId => !without.includes(categoryId)).map(categoryId => ({ productId, categoryId }))
}

function columnsOf(pairs: readonly Pair[]): unknown[] {
  return [uuids(pairs.map(pair => pair.productId)), uuids(pairs.map(pair => pair.categoryId))]
}
