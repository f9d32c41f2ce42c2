import { Problem } from '#contracts/problems.ts'
import type { Variant } from '#contracts/resources/product.ts'
import { texts, uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { violated } from '#platform/postgres/database-errors.ts'
import type { VariantChange } from './product-change.ts'
import { optionsKeyOf } from './variant.ts'

/** Brings the rows of variants up to date. Throws `sku-taken` when another variant has the SKU. */
export async function storeVariants(tx: Transaction, changes: readonly VariantChange[]): Promise<void> {
  const of = (kind: VariantChange['kind']) => changes.filter(change => change.kind === kind).map(({ variant }) => variant)
  deleteVariants(tx, of('deleted'))
  // They leave together, in this order: what is deleted gives its SKU and options free.
  await Promise.all([updateVariants(tx, of('updated')), insertVariants(tx, of('created'))])
}

// Rows are written in the order of SKUs, so that two requests that want the same SKUs do not wait for one another.
const source = `(
    select v.*, sha256(convert_to(v.options, 'UTF8')) as options_key
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]) as v (variant_id, product_id, sku, status, options)
    order by v.sku
  ) as v`

function columnsOf(variants: readonly Variant[]): unknown[] {
  return [
    uuids(variants.map(variant => variant.variantId)),
    uuids(variants.map(variant => variant.productId)),
    texts(variants.map(variant => variant.sku)),
    texts(variants.map(variant => variant.status)),
    texts(variants.map(optionsKeyOf))
  ]
}

/** Waits for whoever inserts the same SKU now. */
async function insertVariants(tx: Transaction, variants: readonly Variant[]): Promise<void> {
  if (variants.length === 0) return
  const rows = await tx.query<{ variant_id: string }>(
    `insert into variants (variant_id, product_id, sku, status, options_key)
     select v.variant_id, v.product_id, v.sku, v.status, v.options_key from ${source}
     on conflict (sku) do nothing returning variant_id`,
    columnsOf(variants)
  )
  if (rows.length === variants.length) return
  const inserted = new Set(rows.map(row => row.variant_id))
  throw skuTaken(variants.filter(variant => !inserted.has(variant.variantId)))
}

async function updateVariants(tx: Transaction, variants: readonly Variant[]): Promise<void> {
  if (variants.length === 0) return
  try {
    await tx.query(
      `update variants set sku = v.sku, status = v.status, options_key = v.options_key
       from ${source} where variants.variant_id = v.variant_id and variants.product_id = v.product_id`,
      columnsOf(variants)
    )
  } catch (error) {
    throw violated(error) === 'variants_sku_key' ? skuTaken(variants) : error
  }
}

function deleteVariants(tx: Transaction, variants: readonly Variant[]): void {
  if (variants.length === 0) return
  tx.send('delete from variants where variant_id = any($1::uuid[])', [uuids(variants.map(variant => variant.variantId))])
}

function skuTaken(variants: readonly Variant[]): Problem {
  const skus = variants.map(variant => variant.sku)
  return new Problem('sku-taken', `Another variant has the SKU ${skus.join(', ')}`, { sku: skus[0] })
}
