/** Price lists: prices for buyers of a channel or of a group of customers, by quantity and by time. */
import { type Static, Type } from 'typebox'
import { Amount, Currency, decimalsOfCurrency, PastCurrency } from './money.ts'
import { Instant, Segment } from './price.ts'
import { closed, extensible, Id, Line, List, Nullable, QUANTITY_MAX, Quantity, Timestamp, Version } from './primitives.ts'

export const PriceListStatus = Type.Union([Type.Literal('active'), Type.Literal('archived')], {
  ...extensible,
  description: 'active: its prices apply; archived: they do not'
})

const channel = Nullable(Segment('Where is bought; null: anywhere'))
const customerGroup = Nullable(Segment('Who buys; null: anybody'))
const priority = {
  minimum: 0,
  maximum: 1000,
  description:
    'The lowest number comes first. Of equal ones: channel and group before channel before group before neither, then the lower amount'
}

export const PriceList = Type.Object(
  {
    priceListId: Id('The price list'),
    code: Line(64),
    name: Line(200),
    channel,
    customerGroup,
    priority: Type.Integer(priority),
    status: PriceListStatus,
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'PriceList' }
)
export type PriceList = Static<typeof PriceList>

export const CreatePriceList = Type.Object(
  {
    code: Line(64, 'Unique among price lists'),
    name: Line(200),
    channel: Type.Optional(channel),
    customerGroup: Type.Optional(customerGroup),
    priority: Type.Optional(Type.Integer({ ...priority, default: 100 })),
    status: Type.Optional(PriceListStatus)
  },
  { ...closed, title: 'CreatePriceList' }
)
export type CreatePriceList = Static<typeof CreatePriceList>

export const UpdatePriceList = Type.Object(
  {
    code: Type.Optional(Line(64)),
    name: Type.Optional(Line(200)),
    channel: Type.Optional(channel),
    customerGroup: Type.Optional(customerGroup),
    priority: Type.Optional(Type.Integer(priority)),
    status: Type.Optional(PriceListStatus)
  },
  { ...closed, title: 'UpdatePriceList' }
)
export type UpdatePriceList = Static<typeof UpdatePriceList>

export const PriceListList = List(PriceList, 'PriceListList')

export const ListedPrice = Type.Object(
  {
    priceId: Id('The price'),
    priceListId: Id('Its list'),
    productId: Id('The product'),
    variantId: Id('The variant'),
    currency: PastCurrency,
    minQuantity: Quantity(1, 'From how many on it applies'),
    amount: Amount,
    startsAt: Nullable(Timestamp),
    endsAt: Nullable(Timestamp)
  },
  { title: 'ListedPrice' }
)
export type ListedPrice = Static<typeof ListedPrice>

export const SetListedPrice = Type.Object(
  {
    variantId: Id('The variant'),
    currency: Currency,
    minQuantity: Type.Optional(
      Type.Integer({ minimum: 1, maximum: QUANTITY_MAX, format: 'int64', default: 1, description: 'From how many on it applies' })
    ),
    amount: Amount,
    startsAt: Type.Optional(Nullable(Instant('From this instant on; null: at once. One that is past means at once, too'))),
    endsAt: Type.Optional(Nullable(Instant('Until just before this instant; null: without end')))
  },
  { ...closed, ...decimalsOfCurrency, title: 'SetListedPrice' }
)
export type SetListedPrice = Static<typeof SetListedPrice>

export const SetPriceListPrices = Type.Object(
  {
    prices: Type.Array(SetListedPrice, {
      minItems: 1,
      maxItems: 1000,
      description:
        'Each replaces the price with its variant, currency, minQuantity and startsAt, or is a new one; other prices of the list stay'
    })
  },
  { ...closed, title: 'SetPriceListPrices' }
)
export type SetPriceListPrices = Static<typeof SetPriceListPrices>

export const PriceListPrices = Type.Object(
  { data: Type.Array(ListedPrice, { description: 'In the order in which they were given' }) },
  { title: 'PriceListPrices' }
)
export type PriceListPrices = Static<typeof PriceListPrices>

export const ListedPriceList = List(ListedPrice, 'ListedPriceList')
