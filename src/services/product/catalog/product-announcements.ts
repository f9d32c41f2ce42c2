import {
  ProductArchived,
  ProductCreated,
  ProductDeleted,
  ProductUpdated,
  VariantCreated,
  VariantDeleted,
  VariantUpdated
} from '#contracts/events/product-events.ts'
import type { Product, Variant } from '#contracts/resources/product.ts'
import { type Announcement, announcement } from '#platform/messaging/outbox.ts'
import { type PriceChanged, priceUpdated } from '../pricing/price-change.ts'
import type { ProductChange, VariantChange } from './product-change.ts'

/**
 * What is told of a change: `everything`, or only what an event of the whole product does not say: that it was archived, what has become of
 * prices that were there before, and that variants are gone.
 */
export type Announcing = 'everything' | 'products'

/** The events that tell of a change, in the order in which they are told: the product, then each variant and its prices. */
export function announcementsOf(
  change: ProductChange,
  lastSequence: number,
  announcing: Announcing,
  pricesOf: ReadonlyMap<string, readonly PriceChanged[]>
): Announcement[] {
  const { product, archived, variants } = change
  const { productId } = product
  const events: Announcement[] = []
  events.push(productAnnouncement(change, lastSequence))
  if (archived) events.push(announcement(ProductArchived, remainsOf(product), lastSequence + 2))
  for (const change of variants) {
    const toldByProduct = announcing === 'products' && change.kind !== 'deleted'
    if (!toldByProduct) events.push(variantAnnouncement(change))
    if (toldByProduct && change.kind === 'created') continue
    for (const price of pricesOf.get(change.variant.variantId) ?? []) events.push(priceUpdated(productId, price))
  }
  return events
}

/** A product is told as the document that is served. */
function productAnnouncement({ product, document, changedFields }: ProductChange, lastSequence: number): Announcement {
  if (lastSequence === 0) return { ...announcement(ProductCreated, product, 1), json: document }
  const json = `${document.slice(0, -1)},"changedFields":${JSON.stringify(changedFields)}}`
  return { ...announcement(ProductUpdated, { ...product, changedFields: [...changedFields] }, lastSequence + 1), json }
}

/** The events that tell of a product's end. */
export function farewellsOf(product: Product, lastSequence: number): Announcement[] {
  return [announcement(ProductDeleted, remainsOf(product), lastSequence + 1), ...product.variants.map(variantDeleted)]
}

function variantAnnouncement({ kind, variant, changedFields }: VariantChange): Announcement {
  if (kind === 'created') return announcement(VariantCreated, variant, variant.version)
  if (kind === 'updated') return announcement(VariantUpdated, { ...variant, changedFields: [...changedFields] }, variant.version)
  return variantDeleted(variant)
}

/** Each version of a variant has one event, so its end has the number after its last version. */
function variantDeleted({ productId, variantId, sku, version }: Variant): Announcement {
  return announcement(VariantDeleted, { productId, variantId, sku }, version + 1)
}

function remainsOf({ productId, slug, variants }: Product) {
  return { productId, slug, variantIds: variants.map(({ variantId }) => variantId) }
}
