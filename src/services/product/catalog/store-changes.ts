/** Stores changes of products, many at once, and announces them: rows, history and events are one commit. */
import type { Product } from '#contracts/resources/product.ts'
import type { Transaction } from '#platform/database.ts'
import { announceAll } from '#platform/outbox.ts'
import { recordPriceChanges } from '../pricing/record-price-changes.ts'
import { linkCategories } from './link-categories.ts'
import { announcementsOf } from './product-announcements.ts'
import type { ProductChange } from './product-change.ts'
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

/** Stores changes: one new version, one document, one set of events for each. */
export async function storeChanges(
  tx: Transaction,
  planned: readonly PlannedChange[],
  { actor }: { actor: string }
): Promise<void> {
  const updated = planned.filter(({ before }) => before !== null)
  if (updated.length > 0) await updateProductRows(tx, updated.map(rowOf))
  await linkCategories(
    tx,
    planned.map(({ before, change: { product } }) => ({
      productId: product.productId,
      before: before?.categoryIds ?? [],
      after: product.categoryIds
    }))
  )
  await storeVariants(
    tx,
    planned.flatMap(({ change }) => change.variants)
  )
  storePriceRanges(
    tx,
    planned.map(({ before, change: { product } }) => ({ before, after: product }))
  )
  const differences = planned.flatMap(({ change }) =>
    change.variants.flatMap(({ variant: { variantId }, prices }) => prices.map(price => ({ variantId, ...price })))
  )
  const at = planned[0]?.change.product.updatedAt ?? ''
  const prices = Map.groupBy(await recordPriceChanges(tx, differences, at, actor), price => price.variantId)
  announceAll(
    tx,
    planned.flatMap(({ change, lastSequence }) =>
      announcementsOf(
        change,
        lastSequence,
        change.variants.flatMap(({ variant }) => prices.get(variant.variantId) ?? [])
      )
    )
  )
  tx.afterCommit(() => {
    for (const { change } of planned) tx.origin.changed(change.product.productId)
  })
}

/** The row of a product after a change: its archiving is told by an event of its own. */
export function rowOf({ change: { product, archived }, lastSequence }: PlannedChange): ProductRow {
  return { product, sequence: lastSequence + (archived ? 2 : 1) }
}
