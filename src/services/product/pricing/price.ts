/** Prices of a variant: at most one per currency, amounts with exactly the currency's decimals, sorted by currency. */
import type { Static } from 'typebox'
import { fromMinor, type Money, toMinor } from '#contracts/resources/money.ts'
import type { VariantPrices } from '#contracts/resources/price.ts'
import type { Variant } from '#contracts/resources/product.ts'

export type Price = Static<typeof Money>

/** Prices as they are kept: of two with one currency the last counts. */
export function pricesOf(given: readonly Price[]): Price[] {
  const amounts = new Map(given.map(({ currency, amount }) => [currency, canonicalAmount(amount, currency)]))
  return [...amounts].map(([currency, amount]) => ({ amount, currency })).sort((a, b) => (a.currency < b.currency ? -1 : 1))
}

/** With exactly as many decimals as the currency has. */
export function canonicalAmount(amount: string, currency: string): string {
  return fromMinor(toMinor(amount, currency), currency)
}

export type PriceDifference = { currency: string; oldAmount: string | null; newAmount: string | null }

/** In which currencies prices differ, sorted by currency. Both lists are as `pricesOf` gives them. */
export function differencesOf(before: readonly Price[], after: readonly Price[]): PriceDifference[] {
  const old = new Map(before.map(({ currency, amount }) => [currency, amount]))
  const now = new Map(after.map(({ currency, amount }) => [currency, amount]))
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .map(currency => ({ currency, oldAmount: old.get(currency) ?? null, newAmount: now.get(currency) ?? null }))
    .filter(({ oldAmount, newAmount }) => oldAmount !== newAmount)
}

/** The prices of a variant as a resource of their own; its version is the variant's. */
export function variantPricesOf({ productId, variantId, prices, version }: Variant): VariantPrices {
  return { productId, variantId, prices, version }
}
