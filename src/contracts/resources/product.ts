/** Products and their variants: what merchandisers change. Counters of stock are elsewhere (inventory.ts). */
import { type Static, Type } from 'typebox'
import { Money } from './money.ts'
import { closed, extensible, Id, Line, Nullable, Quantity, Sku, Slug, Text, Timestamp, Url, Version } from './primitives.ts'

export const ProductStatus = Type.Union([Type.Literal('draft'), Type.Literal('active'), Type.Literal('archived')], {
  ...extensible,
  description: 'draft: being written; active: can be sold; archived: no longer sold, open reservations still hold'
})

export const VariantStatus = Type.Union([Type.Literal('active'), Type.Literal('archived')], extensible)

export const Attributes = Type.Record(
  Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_.:-]{0,63}$' }),
  Type.Union([Text(2000), Type.Number(), Type.Boolean(), Type.Array(Text(200), { maxItems: 50 })]),
  { maxProperties: 100, additionalProperties: false, description: 'Anything else that is known about it' }
)

export const Media = Type.Object({ url: Url, alt: Type.Optional(Text(500)) }, closed)

const optionName = '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]{1,50}$'

export const Option = Type.Object(
  {
    name: Type.String({ pattern: optionName, maxLength: 50 }),
    values: Type.Array(Line(100), { maxItems: 200, uniqueItems: true })
  },
  closed
)

export const VariantOptions = Type.Record(Type.String({ pattern: optionName }), Line(100), {
  maxProperties: 5,
  additionalProperties: false,
  description: "This variant's value of each option; names and values that the product does not list yet are added to it"
})

export const Prices = Type.Array(Money, {
  maxItems: 50,
  description: 'At most one per currency; of two with one currency the last counts'
})

export const Variant = Type.Object(
  {
    variantId: Id('The variant'),
    productId: Id('Its product'),
    sku: Sku,
    title: Type.Optional(Text(200)),
    status: VariantStatus,
    options: VariantOptions,
    barcode: Type.Optional(Text(64)),
    attributes: Attributes,
    prices: Prices,
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'Variant' }
)
export type Variant = Static<typeof Variant>

export const OpeningInventory = Type.Object(
  {
    onHand: Type.Optional(Quantity(0, 'Units at the default location, booked as received')),
    lowStockThreshold: Type.Optional(Nullable(Quantity(0, 'InventoryLowStock when no more than this is available'))),
    tracked: Type.Optional(Type.Boolean({ default: true, description: 'false: always available, nothing is counted' }))
  },
  { ...closed, description: 'Input only: where counting begins' }
)

export const CreateVariant = Type.Object(
  {
    sku: Sku,
    title: Type.Optional(Text(200)),
    options: Type.Optional(VariantOptions),
    barcode: Type.Optional(Text(64)),
    attributes: Type.Optional(Attributes),
    prices: Type.Optional(Prices),
    inventory: Type.Optional(OpeningInventory)
  },
  { ...closed, title: 'CreateVariant' }
)
export type CreateVariant = Static<typeof CreateVariant>

export const UpdateVariant = Type.Object(
  {
    sku: Type.Optional(Sku),
    title: Type.Optional(Nullable(Text(200))),
    status: Type.Optional(VariantStatus),
    options: Type.Optional(
      Type.Record(Type.String({ pattern: optionName }), Nullable(Line(100)), {
        maxProperties: 5,
        additionalProperties: false,
        description: 'Merged: null removes an option'
      })
    ),
    barcode: Type.Optional(Nullable(Text(64))),
    attributes: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_.:-]{0,63}$' }),
        Nullable(Type.Union([Text(2000), Type.Number(), Type.Boolean(), Type.Array(Text(200), { maxItems: 50 })])),
        { maxProperties: 100, additionalProperties: false, description: 'Merged: null removes an attribute' }
      )
    )
  },
  { ...closed, title: 'UpdateVariant' }
)
export type UpdateVariant = Static<typeof UpdateVariant>

export const Product = Type.Object(
  {
    productId: Id('The product'),
    externalId: Type.Optional(Text(128, { minLength: 1 })),
    title: Line(200),
    slug: Slug,
    status: ProductStatus,
    description: Type.Optional(Text(20_000)),
    brand: Type.Optional(Text(200)),
    categoryIds: Type.Array(Id('A category'), { maxItems: 50 }),
    attributes: Attributes,
    media: Type.Array(Media, { maxItems: 50 }),
    options: Type.Array(Option, { maxItems: 5 }),
    variants: Type.Array(Variant),
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'Product' }
)
export type Product = Static<typeof Product>

const categoryIds = Type.Array(Id('A category'), { maxItems: 50, uniqueItems: true })

export const CreateProduct = Type.Object(
  {
    title: Line(200),
    slug: Type.Optional(Slug),
    externalId: Type.Optional(Text(128, { minLength: 1, description: 'The id in the system it comes from; unique' })),
    status: Type.Optional(Type.Union([Type.Literal('draft'), Type.Literal('active')], { default: 'draft' })),
    description: Type.Optional(Text(20_000)),
    brand: Type.Optional(Text(200)),
    categoryIds: Type.Optional(categoryIds),
    attributes: Type.Optional(Attributes),
    media: Type.Optional(Type.Array(Media, { maxItems: 50 })),
    options: Type.Optional(Type.Array(Option, { maxItems: 5 })),
    variants: Type.Optional(Type.Array(CreateVariant, { maxItems: 100 }))
  },
  { ...closed, title: 'CreateProduct' }
)
export type CreateProduct = Static<typeof CreateProduct>

export const UpdateProduct = Type.Object(
  {
    title: Type.Optional(Line(200)),
    slug: Type.Optional(Slug),
    externalId: Type.Optional(Nullable(Text(128, { minLength: 1 }))),
    status: Type.Optional(ProductStatus),
    description: Type.Optional(Nullable(Text(20_000))),
    brand: Type.Optional(Nullable(Text(200))),
    categoryIds: Type.Optional(categoryIds),
    attributes: UpdateVariant.properties.attributes,
    media: Type.Optional(Type.Array(Media, { maxItems: 50 })),
    options: Type.Optional(Type.Array(Option, { maxItems: 5 }))
  },
  { ...closed, title: 'UpdateProduct' }
)
export type UpdateProduct = Static<typeof UpdateProduct>
