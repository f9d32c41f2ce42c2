import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { closeStock } from '../inventory/close-stock.ts'
import { lockProductOf } from './lock-product.ts'
import { withoutVariant } from './product.ts'
import { storeProduct } from './store-product.ts'

/** Deletes a variant for which no stock is held. */
export async function deleteVariant(tx: Transaction, input: Input<typeof catalogOperations.deleteVariant>): Promise<undefined> {
  const { variantId } = input.params
  const { variant, ...locked } = await lockProductOf(tx, variantId)
  keepBefore(tx, variant)
  checkVersion(input.expected, variant.version)
  const after = withoutVariant(locked.product, variantId)
  await closeStock(tx, [variantId], input.actor.subject)
  await storeProduct(tx, locked, after, input.actor.subject)
}
