import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Variant } from '#contracts/resources/product.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { openStock } from '../inventory/open-stock.ts'
import { lockProduct } from './lock-product.ts'
import { withVariant } from './product.ts'
import { storeProduct } from './store-product.ts'
import { newVariant, openingStockOf, variantIn } from './variant.ts'

/** Adds a variant to a product, whatever the product's status; options that the product does not list yet are added to it. */
export async function createVariant(tx: Transaction, input: Input<typeof catalogOperations.createVariant>): Promise<Variant> {
  const { params, body, actor } = input
  const locked = await lockProduct(tx, params.productId)
  const ids = { productId: params.productId, variantId: newId() }
  const after = withVariant(locked.product, newVariant(body, ids, locked.at))
  const variant = variantIn(await storeProduct(tx, locked, after, actor.subject), ids.variantId)
  await openStock(tx, [openingStockOf(variant, body)], actor.subject)
  return variant
}
