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
