import type { Queryable } from '#platform/postgres/database.ts'
import { alternativesTo } from './slug.ts'

/** A slug that is taken, and the id of what wants it. */
type Wanted = { slug: string; id: string }

/**
 * For each slug that is taken an alternative that nobody has at this moment: none of `taken`, and each another. Somebody may take it before
 * it is inserted.
 */
export async function freeSlugs(
  database: Queryable,
  table: 'products' | 'categories',
  wanted: readonly Wanted[],
  taken: Iterable<string> = []
): Promise<string[]> {
  const alternatives = wanted.map(({ slug, id }) => alternativesTo(slug, id))
  const rows = await database.query<{ slug: string }>(`select slug from ${table} where slug = any($1::text[])`, [
    [...new Set(alternatives.flat())]
  ])
  const known = new Set([...taken, ...rows.map(row => row.slug)])
  return alternatives.map(slugs => {
    const free = slugs.find(slug => !known.has(slug)) ?? slugs.at(-1)!
    known.add(free)
    return free
  })
}

/** The same for one slug. */
export async function freeSlug(database: Queryable, table: 'products' | 'categories', slug: string, id: string): Promise<string> {
  const [free] = await freeSlugs(database, table, [{ slug, id }])
  return free!
}
