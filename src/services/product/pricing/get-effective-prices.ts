import type { priceOperations } from '#contracts/http/product-prices.ts'
import type { EffectivePrice, EffectivePrices } from '#contracts/resources/price.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { amountFor, lowestFor, type PriceLine, periodFor } from './effective-price.ts'
import { amountOf } from './price-change.ts'
import { readPriceLines } from './price-lines.ts'

const THIRTY_DAYS_MS = 30 * 86_400_000

/** What a buyer pays for variants at an instant, where that price comes from, and the lowest of the thirty days before. */
export async function getEffectivePrices(
  { database }: Reading,
  { query }: Input<typeof priceOperations.getEffectivePrices>
): Promise<EffectivePrices> {
  const { currency, channel = '', customerGroup = '', quantity = 1 } = query
  const variantIds = query.variantId.split(',')
  const at = query.at === undefined ? Date.now() : Date.parse(query.at)
  const [lines, products] = await Promise.all([
    readPriceLines(database, variantIds, currency, { from: at - THIRTY_DAYS_MS, to: at }),
    database.query<{ variant_id: string; product_id: string }>(
      'select variant_id, product_id from variants where variant_id = any($1::uuid[])',
      [variantIds]
    )
  ])
  const productOf = new Map(products.map(row => [row.variant_id, row.product_id]))
  const buyer = { channel, customerGroup, quantity }
  const data = variantIds.map(variantId => {
    const productId = productOf.get(variantId) ?? null
    // What is gone has no price, whatever it had.
    const line: PriceLine = (productId !== null && lines.get(variantId)) || { base: [], periods: [] }
    return effectiveOf(line, { variantId, productId, currency, buyer, at })
  })
  return { data }
}

function effectiveOf(
  line: PriceLine,
  {
    variantId,
    productId,
    currency,
    buyer,
    at
  }: {
    variantId: string
    productId: string | null
    currency: string
    buyer: { channel: string; customerGroup: string; quantity: number }
    at: number
  }
): EffectivePrice {
  const period = periodFor(line, buyer, at)
  const amount = amountFor(line, buyer, at)
  return {
    variantId,
    productId,
    currency,
    amount: amountOf(amount, currency),
    priceListId: period?.priceListId ?? null,
    priceId: period?.priceId ?? null,
    minQuantity: amount === null ? null : (period?.minQuantity ?? 1),
    startsAt: period?.startsAt ?? null,
    endsAt: period?.endsAt ?? null,
    lowestAmount30Days: amountOf(lowestFor(line, buyer, at - THIRTY_DAYS_MS, at), currency),
    at: new Date(at).toISOString()
  }
}
