/** Bringing a catalog in: what a file says of a product, how far an import is, and what was wrong. */
import { type Static, Type } from 'typebox'
import { Currency } from './money.ts'
import { closed, extensible, Id, Line, List, Nullable, Sku, Slug, Text, Timestamp, Version } from './primitives.ts'
import {
  CreateProduct,
  Media,
  OpeningInventory,
  Option,
  Prices,
  ProductStatus,
  UpdateVariant,
  VariantOptions,
  VariantStatus
} from './product.ts'

/** Merged into what is there, as PATCH does: null removes one. */
const MergedAttributes = UpdateVariant.properties.attributes

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
    attributes: MergedAttributes,
    prices: Type.Optional(Prices),
    inventory: Type.Optional(OpeningInventory),
    ...given
  },
  {
    ...closed,
    title: 'ImportVariant',
    description: 'inventory counts for a variant that is new; stock that exists is never changed by an import'
  }
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
    attributes: MergedAttributes,
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

export const ImportStatus = Type.Union(
  [Type.Literal('pending'), Type.Literal('running'), Type.Literal('completed'), Type.Literal('failed'), Type.Literal('cancelled')],
  {
    ...extensible,
    description:
      'pending: waiting for those before it; completed: every product of the file was dealt with, those with faults are in the errors; failed: nothing of the file could be read, or no more of it: see reason; cancelled: stopped, what was in stays in'
  }
)

const Count = (description: string) => Type.Integer({ minimum: 0, format: 'int64', description })

export const Import = Type.Object(
  {
    importId: Id('The import'),
    status: ImportStatus,
    mediaType: Type.String({ maxLength: 100, description: 'What the file was sent as' }),
    format: Type.String({
      maxLength: 50,
      description: 'How it is read: ndjson, shopify-csv, google-merchant or csv; csv also while its header was not read yet'
    }),
    currency: Nullable(Currency),
    dryRun: Type.Boolean({ description: 'true: everything is tried, and nothing kept but the counts and errors' }),
    rows: Count('Rows of the file that were dealt with; of a spreadsheet several may be one product'),
    created: Count('Products that are new'),
    updated: Count('Products that are different now'),
    unchanged: Count('Products that were the same already: nothing was written or announced'),
    failed: Count('Products with a fault: nothing of them was taken'),
    errorsUrl: Nullable(
      Type.String({ maxLength: 200, description: 'Where to read what is wrong, as NDJSON; null while nothing is' })
    ),
    reason: Nullable(
      Type.Object(
        { code: Type.String({ maxLength: 64 }), detail: Type.String({ maxLength: 2000 }) },
        { description: 'Why it failed as a whole' }
      )
    ),
    bytes: Count('Of the file'),
    bytesDone: Count('Of the file, dealt with'),
    version: Version,
    createdAt: Timestamp,
    startedAt: Nullable(Timestamp),
    completedAt: Nullable(Timestamp),
    updatedAt: Timestamp
  },
  { title: 'Import' }
)
export type Import = Static<typeof Import>

export const ImportList = List(Import, 'ImportList')

export const ImportError = Type.Object(
  {
    line: Type.Integer({ minimum: 1, description: 'Of the file, counted from 1' }),
    pointer: Type.String({
      maxLength: 1000,
      description:
        'A JSON Pointer as a URI fragment into the product; of a spreadsheet `#/Column name`; # for the product as a whole'
    }),
    code: Type.String({ maxLength: 64 }),
    detail: Type.String({ maxLength: 2000, description: 'For people' })
  },
  { title: 'ImportError', description: 'One line of the errors of an import' }
)
export type ImportError = Static<typeof ImportError>
