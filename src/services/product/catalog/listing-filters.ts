/** What each filter asks of a product, as SQL over `products p` and, where prices matter, `product_prices r`. */
import { toMinor } from '#contracts/resources/money.ts'
import type { ProductListQuery } from '#contracts/resources/product-listing.ts'

/** What was asked for, and the category with all below it. */
export type Filters = ProductListQuery & { categoryIds?: readonly string[] }

/** Hands a value to the statement and gives the parameter that stands for it. */
export type Bind = (value: unknown) => string

type Condition = (value: never, bind: Bind, filters: Filters) => string

const conditions = {
  ids: (ids: string[], bind) => `p.product_id = any(${bind(ids)}::uuid[])`,
  skus: (skus: string[], bind) => `p.product_id in (select product_id from variants where sku = any(${bind(skus)}::text[]))`,
  sku: (sku: string, bind) => `p.product_id = (select product_id from variants where sku = ${bind(sku)})`,
  slug: (slug: string, bind) => `p.slug = ${bind(slug)}`,
  externalId: (externalId: string, bind) => `p.external_id = ${bind(externalId)}`,
  status: (statuses: string[], bind) => `p.status = any(${bind(statuses)}::text[])`,
  categoryId: (_: string, bind, { categoryIds }) =>
    `p.product_id in (select product_id from product_categories where category_id = any(${bind(categoryIds)}::uuid[]))`,
  brand: (brands: string[], bind) => `p.brand = any(${bind(brands)}::text[])`,
  attribute: (pairs: string[], bind) => withAttributes(pairs, bind),
  updatedSince: (time: string, bind) => `p.updated_at >= ${bind(new Date(time).toISOString())}::timestamptz`,
  minPrice: (amount: string, bind, { currency }) => `r.max_minor >= ${bind(minorOf(amount, currency!))}::bigint`,
  maxPrice: (amount: string, bind, filters) => noDearerThan(amount, bind, filters)
} satisfies Record<string, Condition>

/** What narrows a listing down. */
export const filterNames = [...(Object.keys(conditions) as (keyof typeof conditions)[]), 'inStock'] as const

export function conditionsOf(filters: Filters, bind: Bind): string[] {
  return Object.entries(conditions).flatMap(([name, condition]) => {
    const value = filters[name as keyof typeof conditions]
    return value === undefined ? [] : [condition(value as never, bind, filters)]
  })
}

/** Whether the filters ask for prices, so that `product_prices r` of the currency must be there. */
export function asksForPrice({ minPrice, maxPrice }: Filters): boolean {
  return minPrice !== undefined || maxPrice !== undefined
}

function minorOf(amount: string, currency: string): string {
  return String(toMinor(amount, currency))
}

/** From the cheapest to the dearest variant there may be nobody in a range: only then the document itself is looked into. */
function noDearerThan(amount: string, bind: Bind, { minPrice, currency }: Filters): string {
  const least = `r.min_minor <= ${bind(minorOf(amount, currency!))}::bigint`
  if (minPrice === undefined) return least
  const from = bind(minorOf(minPrice, currency!))
  const to = bind(minorOf(amount, currency!))
  return `${least} and (r.min_minor >= ${from}::bigint or r.max_minor <= ${to}::bigint or exists (
    select from json_array_elements(p.document::json -> 'variants') v, json_array_elements(v -> 'prices') price
    where v ->> 'status' = 'active' and price ->> 'currency' = r.currency
      and (price ->> 'amount')::numeric between ${bind(minPrice)}::numeric and ${bind(amount)}::numeric))`
}

/** One of the values that are given for an attribute; each attribute that is given. */
function withAttributes(pairs: readonly string[], bind: Bind): string {
  const values = Map.groupBy(pairs, pair => pair.slice(0, pair.indexOf('=')))
  return [...values]
    .map(([name, given]) => {
      const alternatives = given.flatMap(pair => meantBy(pair.slice(name.length + 1)))
      return `p.attributes @> any(${bind(alternatives.map(value => JSON.stringify({ [name]: value })))}::jsonb[])`
    })
    .join(' and ')
}

/** What a value given as text can be: the text, a list with it, or the number or boolean that is written so. */
function meantBy(text: string): unknown[] {
  const scalar = text === 'true' || text === 'false' || (/^-?\d/.test(text) && String(Number(text)) === text)
  return [text, [text], ...(scalar ? [JSON.parse(text)] : [])]
}
