import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Product } from '#contracts/resources/product.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { openStock } from '../inventory/open-stock.ts'
import { insertProduct } from './insert-product.ts'
import { newProduct } from './product.ts'
import { slugOf } from './slug.ts'
import { openingStockOf } from './variant.ts'

/** Puts a product in the catalog, with variants, prices and opening stock. */
export async function createProduct(tx: Transaction, input: Input<typeof catalogOperations.createProduct>): Promise<Product> {
  const { body, actor } = input
  const given = body.variants ?? []
  const ids = {
    productId: newId(),
    slug: body.slug ?? slugOf(body.title, 'product'),
    variantIds: given.map(newId)
  }
  const product = await insertProduct(tx, newProduct(body, ids, new Date().toISOString()), {
    slugGiven: body.slug !== undefined,
    actor: actor.subject
  })
  const stock = product.variants.map((variant, index) => openingStockOf(variant, given[index]!))
  await openStock(tx, stock, actor.subject)
  return product
}
