import { bigints, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import type { PriceDifference } from './price.ts'
import { anybody, minorOf, type PriceChanged } from './price-change.ts'
import { reviewPrices } from './review-prices.ts'

export type BaseDifference = PriceDifference & { variantId: string }

/** Why base prices changed. */
export type BaseReason = { at: string; actor: string; cause: 'manual' | 'import' }

/**
 * Appends changes of base prices to the price history and says what buyers are to be told. Numbers go on where they ended when a currency
 * was taken away and comes back. Call it under the lock of the product's row, which keeps two changes from getting one number.
 */
export async function recordPriceChanges(
  tx: Transaction,
  differences: readonly BaseDifference[],
  { at, actor, cause }: BaseReason
): Promise<PriceChanged[]> {
  if (differences.length === 0) return []
  // Of variants that have prices of lists, what buyers pay may not be the base price: those are reviewed.
  const rows = await tx.query<{ variant_id: string; currency: string; sequence: number }>(
    `insert into price_changes (variant_id, currency, sequence, old_minor, new_minor, effective_at, actor, cause)
     select d.variant_id, d.currency,
       1 + coalesce((select max(p.sequence) from price_changes p where p.variant_id = d.variant_id and p.currency = d.currency
         and p.channel = '' and p.customer_group = '' and p.min_quantity = 1), 0),
       d.old_minor, d.new_minor, $5::timestamptz, $6::text, $7::text
     from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) with ordinality
       as d (variant_id, currency, old_minor, new_minor, place)
     where not exists (select from price_reviews r where r.variant_id = d.variant_id)
     order by d.place
     returning variant_id, currency, sequence`,
    [
      uuids(differences.map(({ variantId }) => variantId)),
      texts(differences.map(({ currency }) => currency)),
      bigints(differences.map(({ oldAmount, currency }) => minorOf(oldAmount, currency))),
      bigints(differences.map(({ newAmount, currency }) => minorOf(newAmount, currency))),
      at,
      actor,
      cause
    ]
  )
  const sequences = new Map(rows.map(({ variant_id, currency, sequence }) => [`${variant_id} ${currency}`, sequence]))
  const placeOf = ({ variantId, currency }: BaseDifference) => `${variantId} ${currency}`
  const told = differences.flatMap(each => {
    const sequence = sequences.get(placeOf(each))
    return sequence === undefined ? [] : [{ ...each, ...anybody, priceListId: null, cause, effectiveAt: at, sequence }]
  })
  const reviewed = differences.filter(each => !sequences.has(placeOf(each)))
  if (reviewed.length === 0) return told
  const variantIds = [...new Set(reviewed.map(({ variantId }) => variantId))]
  return [...told, ...(await reviewPrices(tx, variantIds, { at, reason: { cause, actor }, base: reviewed }))]
}
