/** What the index says of a product. Rows are written here only: by version, so that the order of news does not matter. */
import { toMinor } from '#contracts/resources/money.ts'
import type { ProductIndexEvent } from '#contracts/resources/search.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockCategoryNames } from './category-names.ts'
import { wordVector } from './words.ts'

export type IndexEntry = {
  title: string
  slug: string | null
  brand: string | null
  description: string
  skus: readonly string[]
  categoryIds: readonly string[]
  /** null: not known; then what was known is kept. */
  variantIds: readonly string[] | null
  prices: NonNullable<ProductIndexEvent['prices']>
  updatedAt: string
}

/** News without a sequence is the newest, and news of the same number after it is newer still. */
type News = { productId: string; sequence: number | null }

export function listEntry(tx: Transaction, news: News, entry: IndexEntry): Promise<void> {
  return store(tx, news, 'listed', entry)
}

/** Hidden until newer news lists it. */
export function hideEntry(tx: Transaction, news: News): Promise<void> {
  return store(tx, news, 'hidden', nothing)
}

/** Gone for good: neither older nor newer news brings it back, since ids are never used again. */
export function deleteEntry(tx: Transaction, productId: string): Promise<void> {
  return store(tx, { productId, sequence: null }, 'deleted', nothing)
}

const nothing: IndexEntry = {
  title: '',
  slug: null,
  brand: null,
  description: '',
  skus: [],
  categoryIds: [],
  variantIds: null,
  prices: [],
  updatedAt: new Date(0).toISOString()
}

async function store(tx: Transaction, { productId, sequence }: News, state: string, entry: IndexEntry): Promise<void> {
  const words = wordVector([
    ['A', entry.title],
    ...entry.skus.map(sku => ['A', sku] as const),
    ['B', entry.brand ?? ''],
    ['D', entry.description]
  ])
  await lockCategoryNames(tx, 'to read')
  await tx.query(
    `insert into products as p (product_id, sequence, state, title, slug, brand, skus, lower_skus, category_ids, variant_ids,
       amounts, own_words, words, updated_at)
     values ($1, coalesce($2::bigint, 0), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::tsvector,
       $12::tsvector || coalesce((select string_agg(words::text, ' ')::tsvector from categories where category_id = any ($9)), ''), $13)
     on conflict (product_id) do update set
       sequence = case when excluded.state = 'deleted' then 0 else greatest(p.sequence, excluded.sequence) end,
       state = excluded.state, title = excluded.title, slug = excluded.slug, brand = excluded.brand,
       skus = excluded.skus, lower_skus = excluded.lower_skus, category_ids = excluded.category_ids,
       variant_ids = case when excluded.state = 'listed' then coalesce(excluded.variant_ids, p.variant_ids) end,
       amounts = excluded.amounts, own_words = excluded.own_words, words = excluded.words, updated_at = excluded.updated_at
     where p.state <> 'deleted' and ($2::bigint is null or p.sequence < $2)`,
    [
      productId,
      sequence,
      state,
      entry.title,
      entry.slug,
      entry.brand,
      entry.skus,
      entry.skus.map(sku => sku.toLowerCase()),
      entry.categoryIds,
      entry.variantIds,
      JSON.stringify(amountsOf(entry.prices)),
      words,
      entry.updatedAt
    ]
  )
}

function amountsOf(prices: IndexEntry['prices']): Record<string, string[]> {
  const byCurrency = Object.groupBy(prices, price => price.currency)
  return Object.fromEntries(
    Object.entries(byCurrency).map(([currency, prices = []]) => {
      const amounts = [...new Set(prices.map(price => price.amount))]
      return [currency, amounts.sort((a, b) => (toMinor(a, currency) < toMinor(b, currency) ? -1 : 1))]
    })
  )
}
