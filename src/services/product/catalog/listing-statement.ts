/** One statement for one stretch of an order. */
import type { Key } from '#platform/http/cursor.ts'
import { type Bind, conditionsOf, type Filters } from './listing-filters.ts'
import type { Order } from './listing-orders.ts'
import { inStock } from './listing-stock.ts'

export type Statement = { text: string; values: unknown[] }

/** A row passes the filters unless it says that it is not `found`: it may be the `last` that was looked at before there were too many. */
export type ListedRow = { key: string | null; product_id: string; document: string; found?: boolean; last?: boolean }

/** The first rows after a key that pass the filters. Of what no index answers no more than `examinedMax` products are asked. */
export function statementOf(
  order: Order,
  filters: Filters,
  after: Key | null,
  { limit, examinedMax }: { limit: number; examinedMax: number }
): Statement {
  const values: unknown[] = []
  const bind: Bind = value => `$${values.push(value)}`
  const { from, key, id, condition } = order
  const conditions = [
    condition?.(bind, filters) ?? 'true',
    ...conditionsOf(filters, bind),
    ...(after ? [behind(order, after, bind)] : [])
  ]
  const listed = (columns: string) =>
    `select ${id} as product_id, ${columns} from ${from} where ${conditions.join(' and ')} ${sorted(order, key, id)}`
  const text =
    filters.inStock === undefined
      ? listed(`${key}::text as key, p.document`)
      : examined(listed(`${key} as sort_key`), order, `${inStock('c.product_id')} = ${bind(filters.inStock)}::boolean`, examinedMax)
  return { text: `${text} limit ${bind(limit)}`, values }
}

function behind({ key, type, id, descending }: Order, [value, productId]: Key, bind: Bind): string {
  const sign = descending ? '<' : '>'
  if (key === null) return `${id} ${sign} ${bind(productId)}::uuid`
  return `(${key}, ${id}) ${sign} (${bind(value)}::${type}, ${bind(productId)}::uuid)`
}

function sorted({ descending }: Order, key: string | null, id: string): string {
  const direction = descending ? 'desc' : 'asc'
  return `order by ${key === null ? '' : `${key} ${direction}, `}${id} ${direction}`
}

/** Goes through the listed rows one by one, for as long as rows are wanted, and asks each about the condition. */
function examined(listed: string, order: Order, condition: string, max: number): string {
  const inOrder = sorted(order, order.key && 'sort_key', 'product_id')
  const document = '(select document from products p where p.product_id = c.product_id) as document'
  return `select product_id, sort_key::text as key, ${document}, found, place = ${max} as last from (
      select c.*, row_number() over (${inOrder}) as place, ${condition} as found from (${listed} limit ${max}) c
    ) c where found or place = ${max} ${inOrder}`
}
