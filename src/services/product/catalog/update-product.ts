import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Product } from '#contracts/resources/product.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockProduct } from './lock-product.ts'
import { patchedProduct } from './product.ts'
import { storeProduct } from './store-product.ts'

/** Changes a product; its slug stays when the title changes. */
export async function updateProduct(tx: Transaction, input: Input<typeof catalogOperations.updateProduct>): Promise<Product> {
  const locked = await lockProduct(tx, input.params.productId)
  keepBefore(tx, locked.product)
  checkVersion(input.expected, locked.product.version)
  return storeProduct(tx, locked, patchedProduct(locked.product, input.body), input.actor.subject)
}
