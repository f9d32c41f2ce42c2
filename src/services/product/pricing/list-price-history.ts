import type { Static } from 'typebox'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import { Problem } from '#contracts/problems.ts'
import { fromMinor } from '#contracts/resources/money.ts'
import type { PriceHistory } from '#contracts/resources/price.ts'
import { page } from '#platform/cursor.ts'
import type { Input, Reading } from '#platform/handlers.ts'

/** Minor units as text: the largest amounts of currencies with four decimals are beyond 2^53. */
type Row = {
  price_change_id: number
  currency: string
  old_minor: string | null
  new_minor: string | null
  effective_at: string
  actor: string
}

/** Lists what the prices of a variant were, latest first. */
export async function listPriceHistory(
  { database, cursors }: Reading,
  { params: { variantId }, query }: Input<typeof catalogOperations.listPriceHistory>
): Promise<Static<typeof PriceHistory>> {
  const [variant] = await database.query('select from variants where variant_id = $1', [variantId])
  if (!variant) throw new Problem('not-found')
  const { data, nextCursor } = await page(
    cursors,
    `listPriceHistory ${variantId}`,
    query,
    (after, limit) =>
      database.query<Row>(
        `select price_change_id, currency, old_minor::text, new_minor::text, effective_at, actor from price_changes
         where variant_id = $1 and price_change_id < $2 order by price_change_id desc limit $3`,
        [variantId, after?.[0] ?? Number.MAX_SAFE_INTEGER, limit]
      ),
    row => [row.price_change_id]
  )
  return { data: data.map(changeOf), nextCursor }
}

function changeOf({ currency, old_minor, new_minor, effective_at, actor }: Row) {
  const amount = (minor: string | null) => (minor === null ? null : fromMinor(BigInt(minor), currency))
  return { currency, oldAmount: amount(old_minor), newAmount: amount(new_minor), effectiveAt: effective_at, actor }
}
