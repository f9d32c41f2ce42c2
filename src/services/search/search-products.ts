import type { searchApi } from '#contracts/http/search-api.ts'
import type { SearchHit } from '#contracts/resources/search.ts'
import { type Key, page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import type { Database } from '#platform/postgres/database.ts'
import { type Matches, matchesOf } from './matches.ts'

type Operation = typeof searchApi.operations.searchProducts

/** Finds products, best first; equally good ones in the order in which they came into the catalog. */
export async function searchProducts({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  const matches = matchesOf(query)
  const [found, facets] = await Promise.all([
    page(
      cursors,
      'searchProducts',
      query,
      (after, limit) => hitsOf(database, matches, after, limit),
      hit => [hit.rank, hit.product_id]
    ),
    facetsOf(database, matches)
  ])
  return { data: found.data.map(toHit), facets, nextCursor: found.nextCursor }
}

type HitRow = {
  product_id: string
  rank: number
  title: string
  slug: string | null
  brand: string | null
  skus: string[]
  category_ids: string[]
  amounts: Record<string, string[]>
  available: boolean
  updated_at: string
}

function hitsOf(
  database: Database,
  { where, available, rank, values }: Matches,
  after: Key | null,
  limit: number
): Promise<HitRow[]> {
  const next = values.length + 1
  const beyond = after ? `where rank < $${next + 1} or (rank = $${next + 1} and product_id > $${next + 2})` : ''
  return database.query<HitRow>(
    `select * from (
       select product_id, title, slug, brand, skus, category_ids::text[], amounts, updated_at, ${available} as available,
         ${rank} as rank
       from products p where ${where}
     ) matches ${beyond} order by rank desc, product_id limit $${next}`,
    [...values, limit, ...(after ?? [])]
  )
}

/** How many values of each facet are told, the most frequent first. */
const FACET_VALUES_MAX = 50

async function facetsOf(database: Database, { where, values }: Matches): Promise<Output<Operation>['facets']> {
  const rows = await database.query<{ facet: 'brands' | 'categories'; value: string; count: number }>(
    `with matches as (select brand, category_ids from products p where ${where})
     (select 'brands' as facet, brand as value, count(*) as count from matches where brand is not null
      group by brand order by count(*) desc, brand limit ${FACET_VALUES_MAX})
     union all
     (select 'categories', category_id::text, count(*) from matches, unnest(category_ids) as c (category_id)
      group by category_id order by count(*) desc, category_id limit ${FACET_VALUES_MAX})`,
    values
  )
  const of = (facet: string) => rows.filter(row => row.facet === facet).map(({ value, count }) => ({ value, count }))
  return { brands: of('brands'), categories: of('categories') }
}

function toHit(row: HitRow): SearchHit {
  return {
    productId: row.product_id,
    title: row.title,
    slug: row.slug,
    brand: row.brand,
    skus: row.skus,
    categoryIds: row.category_ids,
    // The lowest in each currency.
    prices: Object.entries(row.amounts).map(([currency, amounts]) => ({ amount: amounts[0]!, currency })),
    available: row.available,
    updatedAt: row.updated_at
  }
}
