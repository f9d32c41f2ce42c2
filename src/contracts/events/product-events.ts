/** What the Product Service says about the catalog and prices, on `product.events`. State events carry the whole state. */
import { Type } from 'typebox'
import { defineEvent } from '../define.ts'
import { Category } from '../resources/category.ts'
import { Amount, PastCurrency } from '../resources/money.ts'
import { PriceCause } from '../resources/price.ts'
import { Id, Nullable, Quantity, Sku, Slug, Text, Timestamp } from '../resources/primitives.ts'
import { Product, Variant } from '../resources/product.ts'

const topic = 'product.events'
const changedFields = Type.Array(Type.String({ maxLength: 64 }), { description: 'What differs from the version before' })

const Count = (description: string) => Type.Integer({ minimum: 0, description })

const ofProduct = { topic, key: 'productId', subject: 'product/{productId}', version: 1 } as const
const ofVariant = { topic, key: 'productId', subject: 'variant/{variantId}', version: 1 } as const
const ofCategory = { topic, key: 'categoryId', subject: 'category/{categoryId}', version: 1 } as const

export const ProductCreated = defineEvent({
  ...ofProduct,
  type: 'ProductCreated',
  summary: 'A product is in the catalog. An import tells of it by this event alone, of its opening stock by InventoryUpdated',
  data: Type.Object(Product.properties)
})

export const ProductUpdated = defineEvent({
  ...ofProduct,
  type: 'ProductUpdated',
  summary:
    'Something that merchandisers change is different: the product, its variants or prices. An import tells of it by this event alone, and of prices that were there before by PriceUpdated',
  data: Type.Object({ ...Product.properties, changedFields })
})

export const ProductArchived = defineEvent({
  ...ofProduct,
  type: 'ProductArchived',
  summary: 'A product is no longer sold; open reservations still hold',
  data: Type.Object({ productId: Id('The product'), slug: Slug, variantIds: Type.Array(Id('A variant')) })
})

export const ProductDeleted = defineEvent({
  ...ofProduct,
  type: 'ProductDeleted',
  summary: 'A product is gone; a VariantDeleted follows for each of its variants',
  data: Type.Object({ productId: Id('The product'), slug: Slug, variantIds: Type.Array(Id('A variant')) })
})

export const VariantCreated = defineEvent({
  ...ofVariant,
  type: 'VariantCreated',
  summary: 'A product has one variant more. Not told by an import: the event of the product has its variants',
  data: Type.Object(Variant.properties)
})

export const VariantUpdated = defineEvent({
  ...ofVariant,
  type: 'VariantUpdated',
  summary: 'A variant is different. Not told by an import: the event of the product has its variants',
  data: Type.Object({ ...Variant.properties, changedFields })
})

export const VariantDeleted = defineEvent({
  ...ofVariant,
  type: 'VariantDeleted',
  summary: 'A variant is gone; its SKU is free again',
  data: Type.Object({ productId: Id('The product'), variantId: Id('The variant'), sku: Sku })
})

export const CategoryCreated = defineEvent({
  ...ofCategory,
  type: 'CategoryCreated',
  summary: 'There is a category more',
  data: Type.Object(Category.properties)
})

export const CategoryUpdated = defineEvent({
  ...ofCategory,
  type: 'CategoryUpdated',
  summary: 'A category is different, or stands elsewhere in the tree',
  data: Type.Object({ ...Category.properties, changedFields })
})

export const CategoryDeleted = defineEvent({
  ...ofCategory,
  type: 'CategoryDeleted',
  summary: 'A category is gone',
  data: Type.Object({ categoryId: Id('The category'), slug: Slug })
})

export const PriceUpdated = defineEvent({
  topic,
  key: 'productId',
  subject: 'price/{variantId}/{currency}/{channel}/{customerGroup}/{minQuantity}',
  version: 1,
  type: 'PriceUpdated',
  summary:
    'What a buyer of exactly this channel, customer group and quantity pays is another amount now, the first, or none any more. A price that another one stands before tells nothing',
  data: Type.Object({
    productId: Id('The product'),
    variantId: Id('The variant'),
    currency: PastCurrency,
    channel: Nullable(Type.String({ maxLength: 64, description: 'null: buyers of no channel of their own' })),
    customerGroup: Nullable(Type.String({ maxLength: 64, description: 'null: buyers of no group of their own' })),
    minQuantity: Quantity(1, 'Who buys as many as this'),
    oldAmount: Nullable(Amount),
    newAmount: Nullable(Amount),
    priceListId: Nullable(Id('The list whose price it is now; null: the base price, or none')),
    cause: PriceCause,
    effectiveAt: Timestamp
  })
})

export const ProductViewed = defineEvent({
  topic,
  key: 'productId',
  subject: 'view/{viewId}',
  version: 1,
  type: 'ProductViewed',
  summary: 'Somebody looked at a product',
  data: Type.Object({
    viewId: Id('The view'),
    productId: Id('The product'),
    variantId: Type.Optional(Id('The variant')),
    userId: Type.Optional(Text(128)),
    sessionId: Type.Optional(Text(128)),
    channel: Type.Optional(Text(64))
  })
})

export const ProductImportCompleted = defineEvent({
  topic,
  key: 'importId',
  subject: 'import/{importId}',
  version: 1,
  type: 'ProductImportCompleted',
  summary:
    'A file of products was dealt with to its end. Each product that it created or changed has told of that in one event of its own',
  data: Type.Object({
    importId: Id('The import'),
    dryRun: Type.Boolean({ description: 'true: nothing was kept' }),
    created: Count('Products that are new'),
    updated: Count('Products that are different now'),
    unchanged: Count('Products that were the same already'),
    failed: Count('Products with a fault'),
    errorsUrl: Nullable(Type.String({ maxLength: 200, description: 'Where to read what is wrong; null when nothing is' }))
  })
})

export const productEvents = [
  ProductCreated,
  ProductUpdated,
  ProductArchived,
  ProductDeleted,
  VariantCreated,
  VariantUpdated,
  VariantDeleted,
  CategoryCreated,
  CategoryUpdated,
  CategoryDeleted,
  PriceUpdated,
  ProductViewed,
  ProductImportCompleted
]
