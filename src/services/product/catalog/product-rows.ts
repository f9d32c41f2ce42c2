/** The rows of products: the document, and beside it what products are found, sorted and filtered by. Written for many at once. */
import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import { type Transaction, violated } from '#platform/database.ts'
import { EVENT_BYTES_MAX } from '#platform/outbox.ts'

/** A product as it is from now on, and the number of the last event that tells of it. */
export type ProductRow = { product: Product; sequence: number }

// Rows are written in the order of ids, so that two transactions with many of them do not wait for one another.
const source = `(
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::text[], $8::text[], $9::jsonb[],
      $10::timestamptz[], $11::timestamptz[], $12::text[])
      as p (product_id, external_id, slug, status, version, sequence, title_key, brand, attributes, created_at, updated_at, document)
    order by product_id
  ) as p`

function columnsOf(rows: readonly ProductRow[]): unknown[] {
  const products = rows.map(row => row.product)
  return [
    products.map(product => product.productId),
    products.map(product => product.externalId ?? null),
    products.map(product => product.slug),
    products.map(product => product.status),
    products.map(product => product.version),
    rows.map(row => row.sequence),
    products.map(product => product.title.toLowerCase()),
    products.map(product => product.brand ?? null),
    products.map(product => JSON.stringify(product.attributes)),
    products.map(product => product.createdAt),
    products.map(product => product.updatedAt),
    products.map(documentOf)
  ]
}

/**
 * Inserts new products and gives the ids of those that were: one whose slug or external id is taken is passed over, after waiting for
 * whoever inserts the same now.
 */
export async function insertProductRows(tx: Transaction, rows: readonly ProductRow[]): Promise<Set<string>> {
  const inserted = await tx.query<{ product_id: string }>(
    `insert into products (product_id, external_id, slug, status, version, sequence, title_key, brand, attributes, created_at, updated_at,
       document)
     select * from ${source} on conflict do nothing returning product_id`,
    columnsOf(rows)
  )
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
  const { slug, externalId } = product ?? {}
  if (constraint === 'products_slug_key')
    return new Problem('slug-taken', slug && `Another product has the slug ${slug}`, product && { slug })
  if (constraint === 'products_external_id_key')
    return new Problem(
      'external-id-taken',
      externalId && `Another product has the external id ${externalId}`,
      product && { externalId }
    )
  return undefined
}

/** What the envelope and `changedFields` take of the bytes that an event may have. */
const ENVELOPE_BYTES_MAX = 2048

/** The text that is served. Throws `payload-too-large` for a product that no event could carry. */
export function documentOf(product: Product): string {
  const text = JSON.stringify(product)
  const bytesMax = EVENT_BYTES_MAX - ENVELOPE_BYTES_MAX
  // No character has more than three bytes in UTF-8 for each unit of its length.
  const bytes = text.length * 3 > bytesMax ? Buffer.byteLength(text) : 0
  if (bytes > bytesMax) {
    throw new Problem('payload-too-large', `The product with all its variants would have ${bytes} bytes; ${bytesMax} are allowed`)
  }
  return text
}
