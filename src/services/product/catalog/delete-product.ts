import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { closeStock } from '../inventory/close-stock.ts'
import { lockProduct } from './lock-product.ts'
import { checkDeletable } from './product.ts'
import { farewellsOf } from './product-announcements.ts'

/** Deletes a product that is not sold, with its variants; its slug, external id and SKUs are free again. */
export async function deleteProduct(tx: Transaction, input: Input<typeof catalogOperations.deleteProduct>): Promise<undefined> {
  const { productId } = input.params
  const { product, sequence } = await lockProduct(tx, productId)
  keepBefore(tx, product)
  checkVersion(input.expected, product.version)
  checkDeletable(product)
  const variantIds = product.variants.map(variant => variant.variantId)
  await closeStock(tx, variantIds, input.actor.subject)
  for (const table of ['variants', 'product_categories', 'product_prices', 'products'])
    tx.send(`delete from ${table} where product_id = $1`, [productId])
  announceAll(tx, farewellsOf(product, sequence))
  tx.afterCommit(() => tx.origin.changed(productId))
}
