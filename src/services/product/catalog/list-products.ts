import type { Static } from 'typebox'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Product, ProductList } from '#contracts/resources/product.ts'
import { page } from '#platform/cursor.ts'
import type { Input, Reading } from '#platform/handlers.ts'

type Query = Input<typeof catalogOperations.listProducts>['query']

/** What each filter asks of a product; the parameter is its value. A category stands for everything below it too. */
const filters: Record<keyof Omit<Query, 'limit' | 'cursor'>, (parameter: string) => string> = {
  status: parameter => `status = ${parameter}`,
  slug: parameter => `slug = ${parameter}`,
  externalId: parameter => `external_id = ${parameter}`,
  sku: parameter => `product_id = (select product_id from variants where sku = ${parameter})`,
  categoryId: parameter =>
    `product_id in (select product_id from product_categories join categories using (category_id) where path @> array[${parameter}::uuid])`
}

/** Lists products, oldest first. */
export function listProducts(
  { database, cursors }: Reading,
  { query }: Input<typeof catalogOperations.listProducts>
): Promise<Static<typeof ProductList>> {
  return page<Product>(
    cursors,
    'listProducts',
    query,
    async (after, limit) => {
      const values: unknown[] = [limit]
      const conditions = ['true']
      const add = (condition: (parameter: string) => string, value: unknown) => conditions.push(condition(`$${values.push(value)}`))
      if (after) add(parameter => `product_id > ${parameter}`, after[0])
      for (const [name, condition] of Object.entries(filters)) {
        const value = query[name as keyof typeof filters]
        if (value !== undefined) add(condition, value)
      }
      const rows = await database.query<{ document: string }>(
        `select document from products where ${conditions.join(' and ')} order by product_id limit $1`,
        values
      )
      return rows.map(row => JSON.parse(row.document))
    },
    product => [product.productId]
  )
}
