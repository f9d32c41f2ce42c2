import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Variant } from '#contracts/resources/product.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockProductOf } from './lock-product.ts'
import { withVariant } from './product.ts'
import { storeProduct } from './store-product.ts'
import { patchedVariant, variantIn } from './variant.ts'

/** Changes a variant. */
export async function updateVariant(tx: Transaction, input: Input<typeof catalogOperations.updateVariant>): Promise<Variant> {
  const { variantId } = input.params
  const { variant, ...locked } = await lockProductOf(tx, variantId)
  keepBefore(tx, variant)
  checkVersion(input.expected, variant.version)
  const after = withVariant(locked.product, patchedVariant(variant, input.body))
  return variantIn(await storeProduct(tx, locked, after, input.actor.subject), variantId)
}
