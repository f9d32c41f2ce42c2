/** How products are listed: filters, orders and choice of members, as query parameters. */
import { type Static, type TSchema, Type } from 'typebox'
import { Amount, Currency, decimalsOf } from './money.ts'
import { Instant } from './price.ts'
import { Commas, closed, Id, List, page, Sku, Text } from './primitives.ts'
import { Product } from './product.ts'

const names = Object.keys(Product.properties) as (keyof Product)[]

const statuses = ['draft', 'active', 'archived'] as const

const filters = {
  ids: Commas(Id('A product'), { maxItems: 100, description: 'These products' }),
  skus: Commas(
    Type.String({
      minLength: 1,
      maxLength: 64,
      pattern: '^[\\x21-\\x2b\\x2d-\\x7e]([\\x20-\\x2b\\x2d-\\x7e]*[\\x21-\\x2b\\x2d-\\x7e])?$'
    }),
    { maxItems: 100, description: 'With a variant that has one of these SKUs; one with a comma in it is asked for with `sku`' }
  ),
  sku: Sku,
  slug: Text(200, { description: 'With exactly this slug' }),
  externalId: Text(128, { description: 'With exactly this external id' }),
  status: Commas(Type.Enum(statuses, { type: 'string' }), { maxItems: 3, description: 'In one of these states' }),
  categoryId: Id('In this category, or in one below it'),
  brand: Type.Array(Text(200, { minLength: 1 }), {
    maxItems: 50,
    description: 'Of one of these brands: `brand=Acme&brand=Fernweg`'
  }),
  attribute: Type.Array(
    Type.String({
      maxLength: 2065,
      pattern: '^[A-Za-z][A-Za-z0-9_.:-]{0,63}=[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$'
    }),
    {
      maxItems: 20,
      description:
        'With this value of an attribute of the product: `attribute=material=mesh`. Numbers and booleans match by their text, a list by each of its members. Given again for the same attribute it means either value, for another one both'
    }
  ),
  inStock: Type.Boolean({
    description:
      'true: with an active variant of which something can be promised now, or that is not tracked; false: without. A page may then have fewer than `limit` products, even none, and still a `nextCursor`'
  }),
  minPrice: Amount,
  maxPrice: Amount,
  currency: Currency,
  updatedSince: Instant('Changed at or after this time')
} satisfies Record<string, TSchema>

const sorts = ['createdAt', '-createdAt', 'updatedAt', '-updatedAt', 'title', '-title', 'price', '-price'] as const

export const ProductListQuery = Type.Object(
  {
    ...page,
    ...Type.Partial(Type.Object(filters)).properties,
    sort: Type.Optional(
      Type.Enum(sorts, {
        type: 'string',
        default: 'createdAt',
        description:
          'A minus begins with the greatest; equals follow by `productId`. `title`: its first 80 characters in lower case, by code points. `price`, only together with `currency`: the lowest base price among active variants; products without one come last, either way'
      })
    ),
    fields: Type.Optional(
      Commas(Type.Enum(names, { type: 'string' }), {
        maxItems: names.length,
        description: 'Only these members of each product, beside `productId` and `version`'
      })
    )
  },
  {
    ...closed,
    dependentRequired: { minPrice: ['currency'], maxPrice: ['currency'] },
    allOf: [
      {
        if: { properties: { sort: { enum: ['price', '-price'] } }, required: ['sort'] },
        // biome-ignore lint/suspicious/noThenProperty: `then` is the JSON Schema keyword.
        then: { required: ['currency'] }
      },
      ...decimalsOf('minPrice'),
      ...decimalsOf('maxPrice')
    ]
  }
)
export type ProductListQuery = Static<typeof ProductListQuery>

export const ProductFields = Type.Object(
  {
    ...Type.Partial(Product).properties,
    productId: Product.properties.productId,
    version: Product.properties.version
  },
  { title: 'ProductFields', description: 'Of a product what `fields` asks for' }
)

export const ProductList = List(Type.Union([Product, ProductFields]), 'ProductList')
