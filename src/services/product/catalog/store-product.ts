import type { Product } from '#contracts/resources/product.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import type { LockedProduct } from './lock-product.ts'
import { changeOf } from './product-change.ts'
import { storeChanges } from './store-changes.ts'

/**
 * Makes a locked product be `after`: one new version, one document, one set of events, whatever the number of differences. Nothing is
 * written or announced when there is none. Gives the product as it is now.
 */
export async function storeProduct(tx: Transaction, locked: LockedProduct, after: Product, actor: string): Promise<Product> {
  const { product: before, sequence, at } = locked
  const change = changeOf(before, after, at)
  if (!change) return before
  await storeChanges(tx, [{ change, before, lastSequence: sequence }], { actor, announce: 'everything' })
  return change.product
}
