/** What the Product Service says about the catalog and prices, on `product.events`. State events carry the whole state. */
import { Type } from 'typebox'
import { defineEvent } from '../define.ts'
import { Category } from '../resources/category.ts'
import { Amount, Currency } from '../resources/money.ts'
import { Id, Nullable, Sku, Slug, Text, Timestamp } from '../resources/primitives.ts'
import { Product, Variant } from '../resources/product.ts'

const topic = 'product.events'
const changedFields = Type.Array(Type.String({ maxLength: 64 }), { description: 'What differs from the version before' })

const ofProduct = { topic, key: 'productId', subject: 'product/{productId}', version: 1 } as const
const ofVariant = { topic, key: 'productId', subject: 'variant/{variantId}', version: 1 } as const
const ofCategory = { topic, key: 'categoryId', subject: 'category/{categoryId}', version: 1 } as const

export const ProductCreated = defineEvent({
  ...ofProduct,
  type: 'ProductCreated',
  summary: 'A product is in the catalog',
  data: Type.Object(Product.properties)
})

export const ProductUpdated = defineEvent({
  ...ofProduct,
  type: 'ProductUpdated',
  summary: 'Something that merchandisers change is different: the product, its variants or prices',
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
  summary: 'A product has one variant more',
  data: Type.Object(Variant.properties)
})

export const VariantUpdated = defineEvent({
  ...ofVariant,
  type: 'VariantUpdated',
  summary: 'A variant is different',
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
  subject: 'price/{variantId}/{currency}',
  version: 1,
  type: 'PriceUpdated',
  summary: 'A variant has another price in one currency, its first, or none any more',
  data: Type.Object({
    productId: Id('The product'),
    variantId: Id('The variant'),
    currency: Currency,
    oldAmount: Nullable(Amount),
    newAmount: Nullable(Amount),
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
  ProductViewed
]
