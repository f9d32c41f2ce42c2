import type { Announcement } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { priceUpdated } from './price-change.ts'
import { holdPriceLists } from './price-list.ts'
import { reviewPrices } from './review-prices.ts'

/** A change of prices of lists: made at `at`, told by `end`. */
export type PriceReview = {
  at: string
  /** Variant → its product. A variant that does not exist is not there. */
  productOf: ReadonlyMap<string, string>
  /** What is to be announced, with what was changed in between. */
  end(): Promise<Announcement[]>
}

/**
 * Locks the products of variants, in one order, and finds the instant of the change: not before anything that was told already, so that
 * nothing happens twice or never.
 */
export async function beginReview(tx: Transaction, variantIds: readonly string[], actor: string): Promise<PriceReview> {
  tx.send(
    `select from products where product_id in (select product_id from variants where variant_id = any($1::uuid[]))
     order by product_id for update`,
    [variantIds]
  )
  holdPriceLists(tx)
  // A statement of its own, which sees what those did who held the locks before: a variant may be gone.
  const rows = await tx.query<{ variant_id: string; product_id: string }>(
    'select variant_id, product_id from variants where variant_id = any($1::uuid[])',
    [variantIds]
  )
  const productOf = new Map(rows.map(row => [row.variant_id, row.product_id]))
  const known = [...productOf.keys()]
  const now = new Date().toISOString()
  // A variant that had no price of any list begins here: of its base price all was told, perhaps by a process whose clock is ahead.
  const [last] = await tx.query<{ at: string | null }>(
    `with begun as (
       insert into price_reviews (variant_id, product_id, reviewed_to)
       select v.variant_id, v.product_id, greatest($3::timestamptz - interval '1 millisecond', c.effective_at)
       from unnest($1::uuid[], $2::uuid[]) as v (variant_id, product_id)
       left join lateral (
         select effective_at from price_changes where variant_id = v.variant_id order by price_change_id desc limit 1
       ) c on true
       on conflict do nothing
       returning reviewed_to
     )
     select max(reviewed_to) as at from (
       select reviewed_to from begun union all select reviewed_to from price_reviews where variant_id = any($1::uuid[])
     ) reviews`,
    [known, [...productOf.values()], now]
  )
  const at = new Date(Math.max(Date.parse(now), last?.at ? Date.parse(last.at) + 1 : 0)).toISOString()
  return {
    at,
    productOf,
    async end() {
      const changes = await reviewPrices(tx, known, { at, reason: { cause: 'manual', actor } })
      return changes.map(change => priceUpdated(productOf.get(change.variantId)!, change))
    }
  }
}
