import type { Download, Reading } from '#platform/http/handlers.ts'
import { type CatalogSnapshot, openCatalogSnapshot, sentFrom } from './catalog-snapshot.ts'
import { productRows } from './product-rows.ts'

/** The catalog in Shopify's product format, as far as that goes, and in columns of our own beyond. It imports back to the same. */
export async function exportProductsAsCsv({ database }: Reading): Promise<Download> {
  const snapshot = await openCatalogSnapshot(database)
  return { filename: 'products.csv', ...sentFrom(snapshot, rowsOf(snapshot)) }
}

async function* rowsOf(snapshot: CatalogSnapshot): AsyncGenerator<string> {
  const { header, rowsOf } = productRows(await snapshot.currencies())
  yield header
  for await (const products of snapshot.products()) yield products.map(rowsOf).join('')
}
