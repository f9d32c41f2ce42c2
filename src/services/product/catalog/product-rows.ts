/** The rows of products: the document, and beside it what products are found, sorted and filtered by. Written for many at once. */
import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import { bigints, integers, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { violated } from '#platform/postgres/database-errors.ts'

/** A product as it is from now on, and the number of the last event that tells of it. */
export type ProductRow = { product: Product; document: string; sequence: number }

// Rows are written in the order of ids, so that two transactions with many of them do not wait for one another.
const source = `(
    select product_id, external_id, slug, status, version, sequence, title_key, brand, attributes::jsonb as attributes,
      created_at::timestamptz as created_at, updated_at::timestamptz as updated_at, document
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[],
      $11::text[], $12::text[])
      as p (product_id, external_id, slug, status, version, sequence, title_key, brand, attributes, created_at, updated_at, document)
    order by product_id
  ) as p`

function columnsOf(rows: readonly ProductRow[]): unknown[] {
  const products = rows.map(row => row.product)
  return [
    uuids(products.map(product => product.productId)),
    texts(products.map(product => product.externalId ?? null)),
    texts(products.map(product => product.slug)),
    texts(products.map(product => product.status)),
    integers(products.map(product => product.version)),
    bigints(rows.map(row => row.sequence)),
    texts(products.map(titleKeyOf)),
    texts(products.map(product => product.brand ?? null)),
    texts(products.map(product => JSON.stringify(product.attributes))),
    texts(products.map(product => product.createdAt)),
    texts(products.map(product => product.updatedAt)),
    texts(rows.map(row => row.document))
  ]
}

const TITLE_KEY_MAX = 80

/** What a product is sorted by when it is by title: lower case, whatever the locale, and short enough for a cursor. */
function titleKeyOf({ title }: Product): string {
  const key = title.toLowerCase()
  return key.length <= TITLE_KEY_MAX ? key : [...key].slice(0, TITLE_KEY_MAX).join('')
}

const insert = `insert into products (product_id, external_id, slug, status, version, sequence, title_key, brand, attributes, created_at,
    updated_at, document)
  select * from ${source}`

/** Inserts new products. Fails, at the end of the transaction, when a slug or external id is taken. */
export function sendProductRows(tx: Transaction, rows: readonly ProductRow[]): void {
  if (rows.length > 0) tx.send(insert, columnsOf(rows))
}

/**
 * Inserts new products and gives the ids of those that were: one whose slug or external id is taken is passed over, after waiting for
 * whoever inserts the same now.
 */
export async function insertProductRows(tx: Transaction, rows: readonly ProductRow[]): Promise<Set<string>> {
  const inserted = await tx.query<{ product_id: string }>(`${insert} on conflict do nothing returning product_id`, columnsOf(rows))
  return new Set(inserted.map(row => row.product_id))
}

/** Updates products that are locked. Throws `slug-taken` or `external-id-taken`; of several products it does not say whose. */
export async function updateProductRows(tx: Transaction, rows: readonly ProductRow[]): Promise<void> {
  try {
    const updated = await tx.query(
      `update products set external_id = p.external_id, slug = p.slug, status = p.status, version = p.version, sequence = p.sequence,
         title_key = p.title_key, brand = p.brand, attributes = p.attributes, updated_at = p.updated_at, document = p.document
       from ${source} where products.product_id = p.product_id and products.version = p.version - 1 returning 1`,
      columnsOf(rows)
    )
    if (updated.length < rows.length) throw new Problem('precondition-failed')
  } catch (error) {
    throw takenBy(error, rows.length === 1 ? rows[0]!.product : undefined) ?? error
  }
}

function takenBy(error: unknown, product: Product | undefined): Problem | undefined {
  const constraint = violated(error)
  if (constraint === 'products_slug_key') return product ? slugTaken(product) : new Problem('slug-taken')
  if (constraint === 'products_external_id_key') return product ? externalIdTaken(product) : new Problem('external-id-taken')
  return undefined
}

export function slugTaken({ slug }: Product): Problem {
  return new Problem('slug-taken', `Another product has the slug ${slug}`, { slug })
}

export function externalIdTaken({ externalId }: Product): Problem {
  return new Problem('external-id-taken', `Another product has the external id ${externalId}`, { externalId })
}
