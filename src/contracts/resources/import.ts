/** Bringing a catalog in: what a file says of a product, how far an import is, and what was wrong. */
import { type Static, Type } from 'typebox'
import { closed, Id, Line, Nullable, Sku, Slug, Text, Timestamp, Version } from './primitives.ts'
import { Attributes, CreateProduct, Media, OpeningInventory, Option, Prices, ProductStatus, VariantOptions, VariantStatus } from './product.ts'

/** What an export says and an import reads past: it is given by the service. */
const given = {
  version: Type.Optional(Version),
  createdAt: Type.Optional(Timestamp),
  updatedAt: Type.Optional(Timestamp)
}

export const ImportVariant = Type.Object(
  {
    variantId: Type.Optional(Id('Read past: variants are known by their SKU')),
    productId: Type.Optional(Id('Read past')),
    sku: Sku,
    title: Type.Optional(Nullable(Text(200))),
    status: Type.Optional(VariantStatus),
    options: Type.Optional(VariantOptions),
    barcode: Type.Optional(Nullable(Text(64))),
    attributes: Type.Optional(Attributes),
    prices: Type.Optional(Prices),
    inventory: Type.Optional(OpeningInventory),
    ...given
  },
  { ...closed, title: 'ImportVariant', description: 'inventory counts for a variant that is new; stock that exists is never changed by an import' }
)

export const ImportProduct = Type.Object(
  {
    productId: Type.Optional(Id('The product that this is, if there is one with this id')),
    externalId: CreateProduct.properties.externalId,
    title: Type.Optional(Line(200)),
    slug: Type.Optional(Slug),
    status: Type.Optional(ProductStatus),
    description: Type.Optional(Nullable(Text(20_000))),
    brand: Type.Optional(Nullable(Text(200))),
    categoryIds: CreateProduct.properties.categoryIds,
    categoryPaths: Type.Optional(
      Type.Array(Type.Array(Line(200), { minItems: 1, maxItems: 10 }), {
        maxItems: 50,
        description: 'Categories by their names from the top down; those that do not exist are created. Counts before categoryIds'
      })
    ),
    attributes: Type.Optional(Attributes),
    media: Type.Optional(Type.Array(Media, { maxItems: 50 })),
    options: Type.Optional(Type.Array(Option, { maxItems: 5 })),
    variants: Type.Optional(Type.Array(ImportVariant, { maxItems: 2000 })),
    ...given
  },
  {
    ...closed,
    title: 'ImportProduct',
    description:
      'One product of an import, on a line of its own. It is found by externalId, then by productId, then by the SKUs of its variants; otherwise it is new. What is left out stays as it is; a new product needs a title'
  }
)
export type ImportProduct = Static<typeof ImportProduct>
