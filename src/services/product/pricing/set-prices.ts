import type { priceOperations } from '#contracts/http/product-prices.ts'
import type { VariantPrices } from '#contracts/resources/price.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockProductOf } from '../catalog/lock-product.ts'
import { withVariant } from '../catalog/product.ts'
import { storeProduct } from '../catalog/store-product.ts'
import { variantIn } from '../catalog/variant.ts'
import { pricesOf, variantPricesOf } from './price.ts'

/** Replaces the prices of a variant; each currency in which they differ is announced and remembered. */
export async function setPrices(tx: Transaction, input: Input<typeof priceOperations.setPrices>): Promise<VariantPrices> {
  const { variantId } = input.params
  const { variant, ...locked } = await lockProductOf(tx, variantId)
  keepBefore(tx, variantPricesOf(variant))
  checkVersion(input.expected, variant.version)
  const after = withVariant(locked.product, { ...variant, prices: pricesOf(input.body.prices) })
  return variantPricesOf(variantIn(await storeProduct(tx, locked, after, input.actor.subject), variantId))
}
