import { toMinor } from '#contracts/resources/money.ts'
import type { Product } from '#contracts/resources/product.ts'

/** From what to what a product costs in one currency, in minor units. */
export type PriceRange = { currency: string; minMinor: bigint; maxMinor: bigint }

/** What the active variants of a product cost, by currency. */
export function priceRangesOf({ variants }: Pick<Product, 'variants'>): Map<string, PriceRange> {
  const ranges = new Map<string, PriceRange>()
  for (const { status, prices } of variants) {
    if (status !== 'active') continue
    for (const { amount, currency } of prices) {
      const minor = toMinor(amount, currency)
      const range = ranges.get(currency)
      if (!range) ranges.set(currency, { currency, minMinor: minor, maxMinor: minor })
      else if (minor < range.minMinor) range.minMinor = minor
      else if (minor > range.maxMinor) range.maxMinor = minor
    }
  }
  return ranges
}
