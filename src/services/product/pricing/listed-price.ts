import { fromMinor } from '#contracts/resources/money.ts'
import type { ListedPrice } from '#contracts/resources/price-list.ts'
import type { Row } from '#platform/postgres/database.ts'

export type ListedPriceRow = Row & {
  price_id: string
  price_list_id: string
  product_id: string
  variant_id: string
  currency: string
  min_quantity: number
  minor: string
  starts_at: string | null
  ends_at: string | null
}

/** Minor units as text: the largest amounts of currencies with four decimals are beyond 2^53. */
export const listedPriceColumns = `price_id, price_list_id, product_id, variant_id, currency, min_quantity, amount_minor::text as minor,
  starts_at, ends_at`

export function toListedPrice(row: ListedPriceRow): ListedPrice {
  return {
    priceId: row.price_id,
    priceListId: row.price_list_id,
    productId: row.product_id,
    variantId: row.variant_id,
    currency: row.currency,
    minQuantity: row.min_quantity,
    amount: fromMinor(BigInt(row.minor), row.currency),
    startsAt: row.starts_at,
    endsAt: row.ends_at
  }
}
