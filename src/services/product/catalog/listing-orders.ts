/** The orders that products are listed in. Each is kept by an index, so that a page costs the same wherever it is. */
import type { ProductListQuery } from '#contracts/resources/product-listing.ts'
import { asksForPrice, type Bind, type Filters } from './listing-filters.ts'

/** An order as SQL: by `key`, if there is one, and among equals by `id`. */
export type Order = {
  from: string
  key: string | null
  type: string
  id: string
  descending: boolean
  /** What must hold of a row to have a place in it. */
  condition?(bind: Bind, filters: Filters): string
}

/** One order, or two of which the second has the products that the first has no place for. */
export function ordersOf(query: ProductListQuery): Order[] {
  const { sort = 'createdAt', ...filters } = query
  const descending = sort.startsWith('-')
  const by = descending ? sort.slice(1) : sort
  if (by === 'price') {
    const priced = { ...byPrice, descending }
    return asksForPrice(filters) ? [priced] : [priced, { ...unpriced, descending }]
  }
  const column = columns[by as keyof typeof columns]
  if (!asksForPrice(filters)) return [{ ...column, from: 'products p', id: 'p.product_id', descending }]
  return [{ ...byPrice, ...column, id: 'p.product_id', descending }]
}

const columns = {
  createdAt: { key: 'p.created_at', type: 'timestamptz' },
  updatedAt: { key: 'p.updated_at', type: 'timestamptz' },
  title: { key: 'p.title_key', type: 'text' }
}

const byPrice = {
  from: 'product_prices r join products p on p.product_id = r.product_id',
  key: 'r.min_minor',
  type: 'bigint',
  id: 'r.product_id',
  condition: (bind: Bind, { currency }: Filters) => `r.currency = ${bind(currency)}`
}

const unpriced = {
  from: 'products p',
  key: null,
  type: '',
  id: 'p.product_id',
  condition: (bind: Bind, { currency }: Filters) =>
    `not exists (select from product_prices r where r.product_id = p.product_id and r.currency = ${bind(currency)})`
}
