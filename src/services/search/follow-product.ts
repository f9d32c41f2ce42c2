import type { EventOf } from '#contracts/envelope.ts'
import type { ProductArchived, ProductCreated, ProductDeleted } from '#contracts/events/product-events.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { deleteEntry, hideEntry, listEntry } from './index-entry.ts'

/** Lists an active product with the variants that are sold; hides any other. */
export function followProduct(tx: Transaction, product: EventOf<typeof ProductCreated>): Promise<void> {
  if (product.status !== 'active') return hideEntry(tx, product)
  const variants = product.variants.filter(variant => variant.status === 'active')
  return listEntry(tx, product, {
    title: product.title,
    slug: product.slug,
    brand: product.brand ?? null,
    description: product.description ?? '',
    skus: variants.map(variant => variant.sku),
    categoryIds: product.categoryIds,
    variantIds: variants.map(variant => variant.variantId),
    prices: variants.flatMap(variant => variant.prices),
    updatedAt: product.updatedAt
  })
}

export function hideProduct(tx: Transaction, archived: EventOf<typeof ProductArchived>): Promise<void> {
  return hideEntry(tx, archived)
}

export function removeProduct(tx: Transaction, { productId }: EventOf<typeof ProductDeleted>): Promise<void> {
  return deleteEntry(tx, productId)
}
