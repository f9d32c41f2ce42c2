import type { priceOperations } from '#contracts/http/product-prices.ts'
import type { VariantPrices } from '#contracts/resources/price.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readVariant } from '../catalog/read-variant.ts'
import { variantPricesOf } from './price.ts'

/** Gets the prices of a variant, one per currency. */
export async function getPrices({ database }: Reading, input: Input<typeof priceOperations.getPrices>): Promise<VariantPrices> {
  return variantPricesOf(await readVariant(database, input.params.variantId))
}
