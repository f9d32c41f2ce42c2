import type { Queryable } from '#platform/database.ts'
import { alternativesTo } from './slug.ts'

/** The first alternative to a taken slug that nobody has at this moment; somebody may take it before it is inserted. */
export async function freeSlug(tx: Queryable, table: 'products' | 'categories', slug: string, id: string): Promise<string> {
  const [free] = await tx.query<{ slug: string }>(
    `select a.slug from unnest($1::text[]) with ordinality as a (slug, place)
     where not exists (select from ${table} t where t.slug = a.slug) order by a.place limit 1`,
    [alternativesTo(slug, id)]
  )
  return free?.slug ?? slug
}

/** For each product whose slug is taken an alternative that nobody has at this moment: none of `taken`, and each another. */
export async function freeSlugs(
  tx: Queryable,
  products: readonly { slug: string; productId: string }[],
  taken: Iterable<string>
): Promise<string[]> {
  const alternatives = products.map(({ slug, productId }) => alternativesTo(slug, productId))
  const rows = await tx.query<{ slug: string }>('select slug from products where slug = any($1::text[])', [
    [...new Set(alternatives.flat())]
  ])
  const known = new Set([...taken, ...rows.map(row => row.slug)])
  return alternatives.map(slugs => {
    const free = slugs.find(slug => !known.has(slug)) ?? slugs.at(-1)!
    known.add(free)
    return free
  })
}
