/** What the Search Service indexes and finds. */
import { type Static, Type } from 'typebox'
import { Amount, Currency } from './money.ts'
import { closed, Id, Line, List, Nullable, Text, Timestamp } from './primitives.ts'
import { Prices } from './product.ts'

export const ProductIndexEvent = Type.Object(
  {
    productId: Id('The product'),
    sequence: Type.Optional(Type.Integer({ minimum: 1, description: 'Older than what is indexed: ignored' })),
    title: Line(200),
    description: Type.Optional(Text(20_000)),
    brand: Type.Optional(Text(200)),
    slug: Type.Optional(Text(200)),
    status: Type.Optional(
      Type.Union([Type.Literal('draft'), Type.Literal('active'), Type.Literal('archived')], { default: 'active' })
    ),
    skus: Type.Optional(Type.Array(Text(64), { maxItems: 100 })),
    categoryIds: Type.Optional(Type.Array(Id('A category'), { maxItems: 50 })),
    prices: Type.Optional(Prices)
  },
  { ...closed, title: 'ProductIndexEvent' }
)
export type ProductIndexEvent = Static<typeof ProductIndexEvent>

export const Accepted = Type.Object({ productId: Id('The product'), status: Type.Literal('accepted') }, { title: 'Accepted' })

export const SearchHit = Type.Object(
  {
    productId: Id('The product'),
    title: Type.String(),
    slug: Nullable(Type.String()),
    brand: Nullable(Type.String()),
    skus: Type.Array(Type.String()),
    categoryIds: Type.Array(Type.String()),
    prices: Prices,
    available: Type.Boolean({ description: 'Some of it can be sold, by the latest news' }),
    updatedAt: Timestamp
  },
  { title: 'SearchHit' }
)
export type SearchHit = Static<typeof SearchHit>

export const SearchResult = Type.Object(
  {
    ...List(SearchHit, '').properties,
    facets: Type.Object({
      brands: Type.Array(Type.Object({ value: Type.String(), count: Type.Integer() })),
      categories: Type.Array(Type.Object({ value: Type.String(), count: Type.Integer() }))
    })
  },
  { title: 'SearchResult' }
)

export const searchQuery = {
  q: Type.Optional(Text(200, { description: 'Words, or beginnings of words; an SKU' })),
  categoryId: Type.Optional(Id('Only in this category')),
  currency: Type.Optional(Currency),
  minPrice: Type.Optional(Amount),
  maxPrice: Type.Optional(Amount),
  available: Type.Optional(Type.Boolean({ description: 'Only what can be sold now' }))
}
