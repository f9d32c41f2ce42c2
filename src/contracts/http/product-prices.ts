/** Prices of variants, price lists, and what a buyer pays, over HTTP. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import { Currency } from '../resources/money.ts'
import { EffectivePrices, Instant, PriceHistory, Segment, SetPrices, VariantPrices } from '../resources/price.ts'
import {
  CreatePriceList,
  ListedPriceList,
  PriceList,
  PriceListList,
  PriceListPrices,
  PriceListStatus,
  SetPriceListPrices,
  UpdatePriceList
} from '../resources/price-list.ts'
import { closed, Id, Line, page, QUANTITY_MAX } from '../resources/primitives.ts'

const variantId = Type.Object({ variantId: Id('The variant') })
const priceListId = Type.Object({ priceListId: Id('The price list') })
const uuid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'

export const priceOperations = {
  getPrices: {
    method: 'GET',
    path: '/v1/variants/{variantId}/prices',
    tag: 'Prices',
    summary: 'Get the base prices of a variant',
    scope: 'catalog:read',
    params: variantId,
    reply: { status: 200, body: VariantPrices, description: 'Its prices, one per currency' },
    conditional: true
  },
  setPrices: {
    method: 'PUT',
    path: '/v1/variants/{variantId}/prices',
    tag: 'Prices',
    summary: 'Replace the base prices of a variant',
    description: 'They apply where no price list says otherwise.',
    scope: 'prices:write',
    params: variantId,
    body: SetPrices,
    reply: { status: 200, body: VariantPrices, description: 'Its prices as they are now' },
    conditional: true
  },
  listPriceHistory: {
    method: 'GET',
    path: '/v1/variants/{variantId}/price-history',
    tag: 'Prices',
    summary: 'List what the prices of a variant were, latest first',
    scope: 'catalog:read',
    params: variantId,
    query: Type.Object(
      {
        ...page,
        currency: Type.Optional(Currency),
        channel: Type.Optional(Segment('What buyers of exactly this channel paid')),
        customerGroup: Type.Optional(Segment('What buyers of exactly this group paid'))
      },
      closed
    ),
    reply: { status: 200, body: PriceHistory, description: 'A page of price changes' },
    problems: ['invalid-cursor']
  },
  getEffectivePrices: {
    method: 'GET',
    path: '/v1/prices/effective',
    tag: 'Prices',
    summary: 'Get what a buyer pays for variants, and where the price comes from',
    description:
      'The price of the first list that has one, else the base price. At an instant that is past it is what was paid then; at one to come, what is planned.',
    scope: 'catalog:read',
    query: Type.Object(
      {
        variantId: Type.String({
          maxLength: 3699,
          pattern: `^${uuid}(,${uuid}){0,99}$`,
          description: 'One variant, or up to 100 separated by commas'
        }),
        currency: Currency,
        channel: Type.Optional(Segment('Where is bought')),
        customerGroup: Type.Optional(Segment('Who buys')),
        quantity: Type.Optional(
          Type.Integer({ minimum: 1, maximum: QUANTITY_MAX, format: 'int64', default: 1, description: 'How many are bought' })
        ),
        at: Type.Optional(Instant('When; without it now'))
      },
      closed
    ),
    reply: {
      status: 200,
      body: EffectivePrices,
      description: 'One for each variant, in the order asked; without a price its amount is null'
    }
  },
  listPriceLists: {
    method: 'GET',
    path: '/v1/price-lists',
    tag: 'Price lists',
    summary: 'List price lists, oldest first',
    scope: 'catalog:read',
    query: Type.Object(
      {
        ...page,
        code: Type.Optional(Line(64)),
        status: Type.Optional(PriceListStatus),
        channel: Type.Optional(Segment('For exactly this channel')),
        customerGroup: Type.Optional(Segment('For exactly this group'))
      },
      closed
    ),
    reply: { status: 200, body: PriceListList, description: 'A page of price lists' },
    problems: ['invalid-cursor']
  },
  createPriceList: {
    method: 'POST',
    path: '/v1/price-lists',
    tag: 'Price lists',
    summary: 'Add a price list, for a channel, a group of customers, both or everybody',
    scope: 'prices:write',
    body: CreatePriceList,
    reply: { status: 201, body: PriceList, description: 'The price list, without prices yet' },
    location: '/v1/price-lists/{priceListId}',
    problems: ['code-taken'],
    conditional: true
  },
  getPriceList: {
    method: 'GET',
    path: '/v1/price-lists/{priceListId}',
    tag: 'Price lists',
    summary: 'Get a price list',
    scope: 'catalog:read',
    params: priceListId,
    reply: { status: 200, body: PriceList, description: 'The price list' },
    conditional: true
  },
  updatePriceList: {
    method: 'PATCH',
    path: '/v1/price-lists/{priceListId}',
    tag: 'Price lists',
    summary: 'Change a price list, or archive it (JSON merge patch)',
    description: 'It applies as it is now at once; PriceUpdated tells of each price that is another one thereby within seconds.',
    scope: 'prices:write',
    params: priceListId,
    body: UpdatePriceList,
    reply: { status: 200, body: PriceList, description: 'The price list as it is now' },
    problems: ['code-taken'],
    conditional: true
  },
  deletePriceList: {
    method: 'DELETE',
    path: '/v1/price-lists/{priceListId}',
    tag: 'Price lists',
    summary: 'Delete a price list with its prices',
    description:
      'What was paid stays in the price history. PriceUpdated tells of each price that is another one thereby within seconds.',
    scope: 'prices:write',
    params: priceListId,
    reply: { status: 204, description: 'It is gone' },
    conditional: true
  },
  listPriceListPrices: {
    method: 'GET',
    path: '/v1/price-lists/{priceListId}/prices',
    tag: 'Price lists',
    summary: 'List the prices of a price list, oldest first',
    scope: 'catalog:read',
    params: priceListId,
    query: Type.Object({ ...page, variantId: Type.Optional(Id('Of this variant')) }, closed),
    reply: { status: 200, body: ListedPriceList, description: 'A page of prices' },
    problems: ['invalid-cursor']
  },
  setPriceListPrices: {
    method: 'PUT',
    path: '/v1/price-lists/{priceListId}/prices',
    tag: 'Price lists',
    summary: 'Set prices of a price list: all of them, or none',
    scope: 'prices:write',
    params: priceListId,
    body: SetPriceListPrices,
    reply: { status: 200, body: PriceListPrices, description: 'The prices as they are now' },
    problems: ['price-overlap', 'reference-not-found']
  },
  deletePriceListPrice: {
    method: 'DELETE',
    path: '/v1/price-lists/{priceListId}/prices/{priceId}',
    tag: 'Price lists',
    summary: 'Take a price out of a price list; what was paid stays in the price history',
    scope: 'prices:write',
    params: Type.Object({ priceListId: Id('The price list'), priceId: Id('The price') }),
    reply: { status: 204, description: 'It is gone' }
  }
} as const satisfies Record<string, Operation>
