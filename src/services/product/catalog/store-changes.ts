/** Stores changes of products, many at once, and announces them: rows, history and events are one commit. */
import type { Product } from '#contracts/resources/product.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { recordFirstPrices } from '../pricing/record-first-prices.ts'
import { recordPriceChanges } from '../pricing/record-price-changes.ts'
import { type CategoryLinks, linkCategories } from './link-categories.ts'
import { type Announcing, announcementsOf } from './product-announcements.ts'
import type { ProductChange, VariantChange } from './product-change.ts'
import { type ProductRow, updateProductRows } from './product-rows.ts'
import { storePriceRanges } from './store-price-ranges.ts'
import { storeVariants } from './store-variants.ts'

/** A change that is to be stored, of a product that is locked. */
export type PlannedChange = {
  change: ProductChange
  /** null for a product that is new: its row has been inserted, nothing else. */
  before: Product | null
  /** The number of the last event that tells of the product itself. */
  lastSequence: number
}

/** Stores changes: one new version, one document, one set of events for each. Statements leave together. */
export async function storeChanges(
  tx: Transaction,
  planned: readonly PlannedChange[],
  { actor, announce }: { actor: string; announce: Announcing }
): Promise<void> {
  const updated = planned.filter(({ before }) => before !== null)
  const variants = planned.flatMap(({ change }) => change.variants)
  const at = planned[0]?.change.product.updatedAt ?? ''
  // What nobody is told of needs no number.
  const silent = (variant: VariantChange) => announce === 'products' && variant.kind === 'created'
  const told = variants.filter(variant => !silent(variant)).flatMap(differencesOf)
  const stored = [
    updated.length > 0 ? updateProductRows(tx, updated.map(rowOf)) : undefined,
    linkCategories(tx, planned.map(linksOf)),
    storeVariants(tx, variants)
  ]
  const settled = Promise.allSettled(stored)
  storePriceRanges(
    tx,
    planned.map(({ before, change: { product } }) => ({ before, after: product }))
  )
  recordFirstPrices(tx, variants.filter(silent).flatMap(firstPricesOf), at, actor)
  const cause = announce === 'products' ? 'import' : 'manual'
  const recorded = recordPriceChanges(tx, told, { at, actor, cause })
  if (told.length > 0) await firstRefusal(Promise.allSettled([...stored, recorded]))
  const pricesOf = Map.groupBy(await recorded, price => price.variantId)
  announceAll(
    tx,
    planned.flatMap(({ change, lastSequence }) => announcementsOf(change, lastSequence, announce, pricesOf))
  )
  await firstRefusal(settled)
  tx.afterCommit(() => {
    for (const { change } of planned) tx.origin.changed(change.product.productId)
  })
}

/** Waits for statements that have left together: after one that is refused, the others only say so. */
async function firstRefusal(statements: Promise<PromiseSettledResult<unknown>[]>): Promise<void> {
  for (const result of await statements) if (result.status === 'rejected') throw result.reason
}

function linksOf({ before, change: { product } }: PlannedChange): CategoryLinks {
  return { productId: product.productId, before: before?.categoryIds ?? [], after: product.categoryIds }
}

function differencesOf({ variant: { variantId }, prices }: VariantChange) {
  return prices.map(price => ({ variantId, ...price }))
}

function firstPricesOf({ variant: { variantId, prices } }: VariantChange) {
  return prices.map(price => ({ variantId, ...price }))
}

/** The row of a product after a change: its archiving is told by an event of its own. */
export function rowOf({ change: { product, document, archived }, lastSequence }: PlannedChange): ProductRow {
  return { product, document, sequence: lastSequence + (archived ? 2 : 1) }
}
