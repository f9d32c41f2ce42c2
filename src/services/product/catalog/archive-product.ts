import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Product } from '#contracts/resources/product.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockProduct } from './lock-product.ts'
import { patchedProduct } from './product.ts'
import { storeProduct } from './store-product.ts'

/** Stops selling a product. What is archived already stays as it is. */
export async function archiveProduct(tx: Transaction, input: Input<typeof catalogOperations.archiveProduct>): Promise<Product> {
  const locked = await lockProduct(tx, input.params.productId)
  keepBefore(tx, locked.product)
  checkVersion(input.expected, locked.product.version)
  return storeProduct(tx, locked, patchedProduct(locked.product, { status: 'archived' }), input.actor.subject)
}
