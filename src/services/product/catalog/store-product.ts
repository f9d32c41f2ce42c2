import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import { type Transaction, violated } from '#platform/database.ts'
import { announceAll, EVENT_BYTES_MAX } from '#platform/outbox.ts'
import { recordPriceChanges } from '../pricing/record-price-changes.ts'
import { linkCategories } from './link-categories.ts'
import type { LockedProduct } from './lock-product.ts'
import { announcementsOf } from './product-announcements.ts'
import { changeOf, type ProductChange } from './product-change.ts'
import { storeVariants } from './store-variants.ts'

/**
 * Makes a locked product be `after`: one new version, one document, one set of events, whatever the number of differences. Nothing is
 * written or announced when there is none. Gives the product as it is now.
 */
export async function storeProduct(tx: Transaction, locked: LockedProduct, after: Product, actor: string): Promise<Product> {
  const { product: before, sequence, at } = locked
  const change = changeOf(before, after, at)
  if (!change) return before
  await updateRow(tx, change, before.version, sequence)
  await recordChange(tx, change, { lastSequence: sequence, linkedCategoryIds: before.categoryIds, actor })
  return change.product
}

/** Writes what a change means beside the product's own row, and announces it. */
export async function recordChange(
  tx: Transaction,
  change: ProductChange,
  context: { lastSequence: number; linkedCategoryIds: readonly string[]; actor: string }
): Promise<void> {
  const { productId, categoryIds, updatedAt } = change.product
  await linkCategories(tx, productId, { before: context.linkedCategoryIds, after: categoryIds })
  await storeVariants(tx, change.variants)
  const differences = change.variants.flatMap(({ variant: { variantId }, prices }) =>
    prices.map(price => ({ variantId, ...price }))
  )
  const prices = await recordPriceChanges(tx, differences, updatedAt, context.actor)
  announceAll(tx, announcementsOf(change, context.lastSequence, prices))
  tx.afterCommit(() => tx.origin.changed(productId))
}

/** What the envelope and `changedFields` take of the bytes that an event may have. */
const ENVELOPE_BYTES_MAX = 2048

/** The text that is served. Throws `payload-too-large` for a product that no event could carry. */
export function documentOf(product: Product): string {
  const text = JSON.stringify(product)
  const bytes = Buffer.byteLength(text)
  const bytesMax = EVENT_BYTES_MAX - ENVELOPE_BYTES_MAX
  if (bytes > bytesMax) {
    throw new Problem('payload-too-large', `The product with all its variants would have ${bytes} bytes; ${bytesMax} are allowed`)
  }
  return text
}

async function updateRow(tx: Transaction, { product, archived }: ProductChange, version: number, sequence: number): Promise<void> {
  const { productId, externalId = null, slug, status } = product
  const events = archived ? 2 : 1
  try {
    const rows = await tx.query(
      `update products set external_id = $3, slug = $4, status = $5, version = $6, sequence = $7, document = $8
       where product_id = $1 and version = $2 returning 1`,
      [productId, version, externalId, slug, status, product.version, sequence + events, documentOf(product)]
    )
    if (rows.length === 0) throw new Problem('precondition-failed')
  } catch (error) {
    const constraint = violated(error)
    if (constraint === 'products_slug_key') throw new Problem('slug-taken', `Another product has the slug ${slug}`, { slug })
    if (constraint === 'products_external_id_key') {
      throw new Problem('external-id-taken', `Another product has the external id ${externalId}`, { externalId })
    }
    throw error
  }
}
