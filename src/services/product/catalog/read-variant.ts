import { Problem } from '#contracts/problems.ts'
import type { Variant } from '#contracts/resources/product.ts'
import type { Queryable } from '#platform/postgres/database.ts'
import { variantIn } from './variant.ts'

/** A variant as its product's document has it. Throws `not-found`. */
export async function readVariant(database: Queryable, variantId: string): Promise<Variant> {
  const [row] = await database.query<{ document: string }>(
    'select document from products where product_id = (select product_id from variants where variant_id = $1)',
    [variantId]
  )
  if (!row) throw new Problem('not-found')
  return variantIn(JSON.parse(row.document), variantId)
}
