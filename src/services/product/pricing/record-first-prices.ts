import { toMinor } from '#contracts/resources/money.ts'
import { bigints, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import type { Price } from './price.ts'

/** Begins the price history of variants that are new: nobody has told of their prices before, so each has the number one. */
export function recordFirstPrices(
  tx: Transaction,
  prices: readonly (Price & { variantId: string })[],
  at: string,
  actor: string
): void {
  if (prices.length === 0) return
  tx.send(
    `insert into price_changes (variant_id, currency, sequence, new_minor, effective_at, actor)
     select variant_id, currency, 1, new_minor, $4::timestamptz, $5::text
     from unnest($1::uuid[], $2::text[], $3::bigint[]) with ordinality as p (variant_id, currency, new_minor, place) order by place`,
    [
      uuids(prices.map(({ variantId }) => variantId)),
      texts(prices.map(({ currency }) => currency)),
      bigints(prices.map(({ amount, currency }) => toMinor(amount, currency))),
      at,
      actor
    ]
  )
}
