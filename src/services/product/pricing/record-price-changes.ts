import { toMinor } from '#contracts/resources/money.ts'
import type { Transaction } from '#platform/database.ts'
import type { PriceDifference } from './price.ts'

/** A price that differs, and the number that it has within its variant and currency. */
export type PricedDifference = PriceDifference & { variantId: string; sequence: number }

/**
 * Appends to the price history. Numbers go on where they ended when a currency was taken away and comes back. Call it under the lock of
 * the product's row, which keeps two changes from getting one number.
 */
export async function recordPriceChanges(
  tx: Transaction,
  differences: readonly (PriceDifference & { variantId: string })[],
  at: string,
  actor: string
): Promise<PricedDifference[]> {
  if (differences.length === 0) return []
  const minor = (amount: string | null, currency: string) => (amount === null ? null : String(toMinor(amount, currency)))
  const rows = await tx.query<{ variant_id: string; currency: string; sequence: number }>(
    `insert into price_changes (variant_id, currency, sequence, old_minor, new_minor, effective_at, actor)
     select d.variant_id, d.currency,
       1 + coalesce((select max(p.sequence) from price_changes p where p.variant_id = d.variant_id and p.currency = d.currency), 0),
       d.old_minor, d.new_minor, $5::timestamptz, $6::text
     from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) with ordinality
       as d (variant_id, currency, old_minor, new_minor, place)
     order by d.place
     returning variant_id, currency, sequence`,
    [
      differences.map(({ variantId }) => variantId),
      differences.map(({ currency }) => currency),
      differences.map(({ oldAmount, currency }) => minor(oldAmount, currency)),
      differences.map(({ newAmount, currency }) => minor(newAmount, currency)),
      at,
      actor
    ]
  )
  const sequences = new Map(rows.map(({ variant_id, currency, sequence }) => [`${variant_id} ${currency}`, sequence]))
  return differences.map(each => ({ ...each, sequence: sequences.get(`${each.variantId} ${each.currency}`)! }))
}
