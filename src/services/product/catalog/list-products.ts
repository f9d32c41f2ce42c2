import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Product } from '#contracts/resources/product.ts'
import { pageOfTexts } from '#platform/http/cursor.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { openWalk } from './listing-walk.ts'

/** Lists products as the text that is sent, put together from the documents as they are stored. */
export async function listProducts(
  { database, cursors }: Reading,
  { query }: Input<typeof catalogOperations.listProducts>
): Promise<string> {
  const { fields, ...asked } = query
  const walk = await openWalk(database, asked)
  return pageOfTexts(cursors, 'listProducts', asked, async (after, limit) => {
    const { rows, end } = await walk(after, limit)
    const places = rows.map(row => ({ key: [row.key, row.product_id], text: textOf(row.document, fields) }))
    return end ? [...places, { key: end, text: null }] : places
  })
}

function textOf(document: string, fields: readonly (keyof Product)[] | undefined): string {
  if (!fields) return document
  const members = new Set<string>(['productId', 'version', ...fields])
  return JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(document)).filter(([name]) => members.has(name))))
}
