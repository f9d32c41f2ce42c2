import type { Static } from 'typebox'
import type { priceOperations } from '#contracts/http/product-prices.ts'
import { Problem } from '#contracts/problems.ts'
import type { PriceHistory } from '#contracts/resources/price.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { amountOf } from './price-change.ts'

/** Minor units as text: the largest amounts of currencies with four decimals are beyond 2^53. */
type Row = {
  price_change_id: number
  currency: string
  old_minor: string | null
  new_minor: string | null
  effective_at: string
  actor: string
  channel: string
  customer_group: string
  min_quantity: number
  price_list_id: string | null
  cause: string
  sequence: number | null
}

/** Lists what the prices of a variant were, latest first. */
export async function listPriceHistory(
  { database, cursors }: Reading,
  { params: { variantId }, query }: Input<typeof priceOperations.listPriceHistory>
): Promise<Static<typeof PriceHistory>> {
  const [variant] = await database.query('select from variants where variant_id = $1', [variantId])
  if (!variant) throw new Problem('not-found')
  const { data, nextCursor } = await page(
    cursors,
    `listPriceHistory ${variantId}`,
    query,
    (after, limit) =>
      database.query<Row>(
        `select price_change_id, currency, old_minor::text, new_minor::text, effective_at, actor, channel, customer_group, min_quantity,
           price_list_id, cause, sequence
         from price_changes
         where variant_id = $1 and price_change_id < $2 and ($4::text is null or currency = $4) and ($5::text is null or channel = $5)
           and ($6::text is null or customer_group = $6)
         order by price_change_id desc limit $3`,
        [
          variantId,
          after?.[0] ?? Number.MAX_SAFE_INTEGER,
          limit,
          query.currency ?? null,
          query.channel ?? null,
          query.customerGroup ?? null
        ]
      ),
    row => [row.price_change_id]
  )
  return { data: data.map(changeOf), nextCursor }
}

function changeOf({ currency, ...row }: Row) {
  const amount = (minor: string | null) => amountOf(minor === null ? null : BigInt(minor), currency)
  return {
    currency,
    channel: row.channel || null,
    customerGroup: row.customer_group || null,
    minQuantity: row.min_quantity,
    oldAmount: amount(row.old_minor),
    newAmount: amount(row.new_minor),
    priceListId: row.price_list_id,
    cause: row.cause,
    applied: row.sequence !== null,
    effectiveAt: row.effective_at,
    actor: row.actor
  }
}
