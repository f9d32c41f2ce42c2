/** Prices of a variant, one per currency, how they came to be, and what a buyer pays. */
import { type Static, Type } from 'typebox'
import { Amount, Currency, PastCurrency } from './money.ts'
import { closed, Id, List, Nullable, Quantity, Timestamp, Version } from './primitives.ts'
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

/** The name of a channel or of a group of customers. */
export const Segment = (description: string) =>
  Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$', description })

/**
 * An instant as it is asked for: RFC 3339 with at most milliseconds, of the years 1970 to 9999 whatever its offset, without leap seconds,
 * so that every one of them is a value of JavaScript's and of PostgreSQL's.
 */
export const Instant = (description: string) =>
  Type.String({
    format: 'date-time',
    maxLength: 40,
    pattern:
      '^(?!9999.*[+-]\\d\\d:\\d\\d$)(19[7-9]\\d|[2-9]\\d{3})-\\d\\d-\\d\\dT([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,3})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$',
    description
  })

export const PriceCause = Type.String({
  maxLength: 32,
  description:
    'manual: somebody set or removed a price; import; schedule-start; schedule-end; price-list: a list was archived, deleted, or applies to others; more may come'
})

const context = {
  channel: Nullable(Type.String({ description: 'null: buyers of no channel of their own' })),
  customerGroup: Nullable(Type.String({ description: 'null: buyers of no group of their own' })),
  minQuantity: Quantity(1, 'Who buys as many as this')
}

export const PriceChange = Type.Object(
  {
    currency: PastCurrency,
    ...context,
    oldAmount: Nullable(Amount),
    newAmount: Nullable(Amount),
    priceListId: Nullable(Id('The list whose price it is since; null: the base price, or none')),
    cause: PriceCause,
    applied: Type.Boolean({
      description: 'false: the base price changed, but the price of a list stood before it and PriceUpdated told nothing'
    }),
    effectiveAt: Timestamp,
    actor: Type.String({ description: 'Who changed it: the subject of the token; `schedule` when the time had come' })
  },
  { title: 'PriceChange' }
)
export type PriceChange = Static<typeof PriceChange>

export const PriceHistory = List(PriceChange, 'PriceHistory')

export const EffectivePrice = Type.Object(
  {
    variantId: Id('The variant'),
    productId: Nullable(Id('Its product; null: there is no such variant')),
    currency: Currency,
    amount: Nullable(Amount),
    priceListId: Nullable(Id('The list that it is from; null: it is the base price, or there is none')),
    priceId: Nullable(Id('The price in that list')),
    minQuantity: Nullable(Quantity(1, 'From how many on it applies; null without a price')),
    startsAt: Nullable(Timestamp),
    endsAt: Nullable(Timestamp),
    lowestAmount30Days: Nullable(
      Type.String({
        description:
          'The lowest price that applied to this buyer in the 30 days before `at`. Asked with `at` = the start of a reduction, it is the prior price of Directive 98/6/EC Article 6a'
      })
    ),
    at: Timestamp
  },
  { title: 'EffectivePrice' }
)
export type EffectivePrice = Static<typeof EffectivePrice>

export const EffectivePrices = Type.Object({ data: Type.Array(EffectivePrice) }, { title: 'EffectivePrices' })
export type EffectivePrices = Static<typeof EffectivePrices>
