import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import type { Transaction } from '#platform/database.ts'
import { freeSlug } from './free-slug.ts'
import { creationOf, type ProductChange } from './product-change.ts'
import { documentOf, recordChange } from './store-product.ts'

/**
 * Puts a new product into the catalog and announces it. A slug that was made from the title gives way to one that is taken already;
 * one that was asked for is refused then.
 */
export async function insertProduct(
  tx: Transaction,
  product: Product,
  { slugGiven, actor }: { slugGiven: boolean; actor: string }
): Promise<Product> {
  let creation: ProductChange | undefined
  for (let attempt = 1; !creation; attempt++) {
    const slug = slugGiven || attempt === 1 ? product.slug : await freeSlug(tx, 'products', product.slug, product.productId)
    const candidate = creationOf({ ...product, slug })
    if (await insertRow(tx, candidate.product)) creation = candidate
    else await checkTaken(tx, candidate.product, slugGiven || attempt === ATTEMPTS_MAX)
  }
  await recordChange(tx, creation, { lastSequence: 0, linkedCategoryIds: [], actor })
  return creation.product
}

/** As many as may race for one title: each round has a winner, who has gone on. */
const ATTEMPTS_MAX = 1000

/** Waits for whoever inserts the same slug or external id now. False when they have it then. */
async function insertRow(tx: Transaction, product: Product): Promise<boolean> {
  const { productId, externalId = null, slug, status, version } = product
  const rows = await tx.query(
    `insert into products (product_id, external_id, slug, status, version, sequence, document) values ($1, $2, $3, $4, $5, 1, $6)
     on conflict do nothing returning 1`,
    [productId, externalId, slug, status, version, documentOf(product)]
  )
  return rows.length > 0
}

async function checkTaken(tx: Transaction, { externalId, slug }: Product, slugMatters: boolean): Promise<void> {
  const [taken] = await tx.query<{ slug: boolean; external_id: boolean }>(
    `select exists (select from products where slug = $1) as slug,
       exists (select from products where external_id = $2) as external_id`,
    [slug, externalId ?? null]
  )
  if (taken!.external_id)
    throw new Problem('external-id-taken', `Another product has the external id ${externalId}`, { externalId })
  if (taken!.slug && slugMatters) throw new Problem('slug-taken', `Another product has the slug ${slug}`, { slug })
}
