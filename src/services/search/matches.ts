import type { searchApi } from '#contracts/http/search-api.ts'
import type { Input } from '#platform/http/handlers.ts'
import { wordQuery } from './words.ts'

type Query = Input<typeof searchApi.operations.searchProducts>['query']

/** SQL over `products p`: which of them a query finds, whether one is available, and how good it is, as a whole number. */
export type Matches = { where: string; available: string; rank: string; values: readonly unknown[] }

const available = `exists (
  select from stock_levels s where s.product_id = p.product_id and s.available > 0
    and (p.variant_ids is null or s.variant_id = any (p.variant_ids)))`

export function matchesOf({ q = '', categoryId, currency, minPrice, maxPrice, available: wanted }: Query): Matches {
  const values: unknown[] = []
  const parameter = (value: unknown, type: string) => `$${values.push(value)}::${type}`
  const conditions = [`p.state = 'listed'`]
  let rank = '0'

  if (q.trim() !== '') {
    const beginnings = parameter(wordQuery(q), 'text')
    const words = `${beginnings}::tsquery`
    const wholeWords = `replace(${beginnings}, ':*', '')::tsquery`
    const hasSku = `p.lower_skus @> array[${parameter(asSku(q), 'text')}]`
    conditions.push(`(p.words @@ ${words} or ${hasSku})`)
    // An exact SKU is what was meant; a whole word counts beside the beginning that it is.
    rank = `((ts_rank(p.words, ${words}) + ts_rank(p.words, ${wholeWords})) * 1e6)::bigint + case when ${hasSku} then 1e9::bigint else 0 end`
  }
  if (categoryId) conditions.push(`p.category_ids @> array[${parameter(categoryId, 'uuid')}]`)
  if (currency) {
    const low = parameter(minPrice ?? null, 'numeric')
    const high = parameter(maxPrice ?? null, 'numeric')
    conditions.push(`exists (
      select from jsonb_array_elements_text(p.amounts -> ${parameter(currency, 'text')}) as a (amount)
      where (${low} is null or a.amount::numeric >= ${low}) and (${high} is null or a.amount::numeric <= ${high}))`)
  }
  if (wanted !== undefined) conditions.push(wanted ? available : `not ${available}`)
  return { where: conditions.join(' and '), available, rank, values }
}

/** SKUs are printable ASCII, so nothing else can be one. */
function asSku(q: string): string {
  return /^[\x20-\x7e]+$/.test(q) ? q.trim().toLowerCase() : ''
}
