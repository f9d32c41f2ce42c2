import type { Product } from '#contracts/resources/product.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { freeSlug } from './free-slug.ts'
import { creationOf } from './product-change.ts'
import { externalIdTaken, insertProductRows, slugTaken } from './product-rows.ts'
import { type PlannedChange, rowOf, storeChanges } from './store-changes.ts'

/**
 * Puts a new product into the catalog and announces it. A slug that was made from the title gives way to one that is taken already;
 * one that was asked for is refused then.
 */
export async function insertProduct(
  tx: Transaction,
  product: Product,
  { slugGiven, actor }: { slugGiven: boolean; actor: string }
): Promise<Product> {
  let creation: PlannedChange | undefined
  for (let attempt = 1; !creation; attempt++) {
    const slug = slugGiven || attempt === 1 ? product.slug : await freeSlug(tx, 'products', product.slug, product.productId)
    const candidate = { change: creationOf({ ...product, slug }), before: null, lastSequence: 0 }
    const inserted = await insertProductRows(tx, [rowOf(candidate)])
    if (inserted.size > 0) creation = candidate
    else await checkTaken(tx, candidate.change.product, slugGiven || attempt === ATTEMPTS_MAX)
  }
  await storeChanges(tx, [creation], { actor, announce: 'everything' })
  return creation.change.product
}

/** As many as may race for one title: each round has a winner, who has gone on. */
const ATTEMPTS_MAX = 1000

async function checkTaken(tx: Transaction, product: Product, slugMatters: boolean): Promise<void> {
  const [taken] = await tx.query<{ slug: boolean; external_id: boolean }>(
    `select exists (select from products where slug = $1) as slug,
       exists (select from products where external_id = $2) as external_id`,
    [product.slug, product.externalId ?? null]
  )
  if (taken!.external_id) throw externalIdTaken(product)
  if (taken!.slug && slugMatters) throw slugTaken(product)
}
