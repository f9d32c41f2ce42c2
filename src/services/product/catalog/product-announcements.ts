import {
  PriceUpdated,
  ProductArchived,
  ProductCreated,
  ProductDeleted,
  ProductUpdated,
  VariantCreated,
  VariantDeleted,
  VariantUpdated
} from '#contracts/events/product-events.ts'
import type { Product, Variant } from '#contracts/resources/product.ts'
import { type Announcement, announcement } from '#platform/outbox.ts'
import type { PricedDifference } from '../pricing/record-price-changes.ts'
import type { ProductChange, VariantChange } from './product-change.ts'

/** The events that tell of a change, in the order in which they are told: the product, then each variant and its prices. */
export function announcementsOf(
  { product, changedFields, archived, variants }: ProductChange,
  lastSequence: number,
  prices: readonly PricedDifference[]
): Announcement[] {
  const { productId, updatedAt } = product
  const pricesOf = Map.groupBy(prices, price => price.variantId)
  const events: Announcement[] = []
  if (lastSequence === 0) events.push(announcement(ProductCreated, product, 1))
  else events.push(announcement(ProductUpdated, { ...product, changedFields: [...changedFields] }, lastSequence + 1))
  if (archived) events.push(announcement(ProductArchived, remainsOf(product), lastSequence + 2))
  for (const change of variants) {
    events.push(variantAnnouncement(change))
    for (const { sequence, ...difference } of pricesOf.get(change.variant.variantId) ?? []) {
      events.push(announcement(PriceUpdated, { productId, ...difference, effectiveAt: updatedAt }, sequence))
    }
  }
  return events
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
