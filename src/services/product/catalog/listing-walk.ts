import type { ProductListQuery } from '#contracts/resources/product-listing.ts'
import type { Key } from '#platform/http/cursor.ts'
import type { Database } from '#platform/postgres/database.ts'
import { type Filters, filterNames } from './listing-filters.ts'
import { type Order, ordersOf } from './listing-orders.ts'
import { type ListedRow, statementOf } from './listing-statement.ts'

/** Up to `limit` rows behind a key. `end` is how far was looked, when that was not to the end and not enough was found. */
export type Walk = (after: Key | null, limit: number) => Promise<{ rows: ListedRow[]; end: Key | null }>

/** How many products a page looks at for stock: few at first, and then no more than this, which bounds what it costs when all is sold out. */
const EXAMINED_MAX = 2000

/** Prepares to walk through the products that pass the filters, in the order that is asked for. */
export async function openWalk(database: Database, query: ProductListQuery): Promise<Walk> {
  const filters = await withCategories(database, query)
  const orders = ordersOf(query)
  // Without filters there are few statements, each with one good plan.
  const plain = !filterNames.some(name => query[name] !== undefined)

  function read(order: Order, after: Key | null, limit: number, examinedMax: number): Promise<ListedRow[]> {
    const { text, values } = statementOf(order, filters, after, { limit, examinedMax })
    return plain ? database.query(text, values) : database.queryAfresh(text, values)
  }

  return async (after, limit) => {
    const found: ListedRow[] = []
    let from = after
    // The products without a key are an order of their own, behind those that have one.
    for (const order of orders.slice(after?.[0] === null ? 1 : 0)) {
      for (const examinedMax of [3 * limit, EXAMINED_MAX]) {
        const rows = await read(order, from, limit - found.length, examinedMax)
        found.push(...rows.filter(row => row.found !== false))
        if (found.length === limit) return { rows: found, end: null }
        const last = rows.findLast(row => row.last)
        from = last ? [last.key, last.product_id] : null
        if (!last) break
      }
      if (from) return { rows: found, end: from }
    }
    return { rows: found, end: null }
  }
}

/** The filters with the category and all below it: with their ids at hand, the server knows how many products to expect. */
async function withCategories(database: Database, query: ProductListQuery): Promise<Filters> {
  if (query.categoryId === undefined) return query
  const rows = await database.query<{ category_id: string }>('select category_id from categories where path @> array[$1::uuid]', [
    query.categoryId
  ])
  return { ...query, categoryIds: rows.map(row => row.category_id) }
}
