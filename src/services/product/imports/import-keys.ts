/** What products would be known by after a dry run, which keeps none of them. */
import type { Queryable, Transaction } from '#platform/postgres/database.ts'
import type { Known } from './known.ts'
import type { Plan } from './plan-batch.ts'

/** One letter says what kind of name it is. */
const kinds = { e: 'externalIds', s: 'skus', u: 'slugs' } as const
type Kind = keyof typeof kinds
type KeyRow = { key: string; product_id: string; line: number }

/** Reads which of these the products of earlier lines would have. */
export function readKeys(
  database: Queryable,
  importId: string,
  names: Record<(typeof kinds)[Kind], readonly string[]>
): Promise<KeyRow[]> {
  const keys = Object.entries(kinds).flatMap(([kind, list]) => names[list].map(name => kind + name))
  return database.query<KeyRow>(
    `select k.key, k.product_id, i.line from import_keys k join import_products i using (import_id, product_id)
     where k.import_id = $1 and k.key = any($2::text[])`,
    [importId, keys]
  )
}

/** From here on these products are known, and what lines they were. */
export function rememberKeys(known: Known, rows: readonly KeyRow[]): void {
  for (const { key, product_id: productId, line } of rows) {
    known[kinds[key[0] as Kind]].set(key.slice(1), productId)
    known.lines.set(productId, line)
  }
}

/** Remembers what products of a dry run would be known by from now on. */
export function storeKeys(tx: Transaction, importId: string, { creations, changes }: Pick<Plan, 'creations' | 'changes'>): void {
  const products = [...creations, ...changes].map(({ change }) => change.product)
  const rows = products.flatMap(({ productId, externalId, slug, variants }) =>
    [...(externalId === undefined ? [] : [`e${externalId}`]), `u${slug}`, ...variants.map(({ sku }) => `s${sku}`)].map(name => ({
      name,
      productId
    }))
  )
  if (rows.length === 0) return
  tx.send(
    `insert into import_keys (import_id, key, product_id)
     select $1::uuid, k.* from unnest($2::text[], $3::uuid[]) as k on conflict do nothing`,
    [importId, rows.map(row => row.name), rows.map(row => row.productId)]
  )
}
