/** Prices of a variant, one per currency, and how they came to be. */
import { type Static, Type } from 'typebox'
import { Amount, Currency } from './money.ts'
import { closed, Id, List, Nullable, Timestamp, Version } from './primitives.ts'
import { Prices } from './product.ts'

export const VariantPrices = Type.Object(
  { productId: Id('The product'), variantId: Id('The variant'), prices: Prices, version: Version },
  { title: 'VariantPrices' }
)
export type VariantPrices = Static<typeof VariantPrices>

export const SetPrices = Type.Object(
  { prices: Prices },
  { ...closed, title: 'SetPrices', description: 'All prices of the variant; a currency that is left out has no price any more' }
)
export type SetPrices = Static<typeof SetPrices>

export const PriceChange = Type.Object(
  {
    currency: Currency,
    oldAmount: Nullable(Amount),
    newAmount: Nullable(Amount),
    effectiveAt: Timestamp,
    actor: Type.String({ description: 'Who changed it: the subject of the token' })
  },
  { title: 'PriceChange' }
)
export type PriceChange = Static<typeof PriceChange>

export const PriceHistory = List(PriceChange, 'PriceHistory')
