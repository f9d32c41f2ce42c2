import type { ImportProduct } from '#contracts/resources/import.ts'
import type { Product } from '#contracts/resources/product.ts'
import type { Queryable } from '#platform/postgres/database.ts'
import { readKeys, rememberKeys } from './import-keys.ts'
import { type Known, wantedSlugOf } from './known.ts'

type ProductRow = { product_id: string; document: string; sequence: number; line: number | null }

/** Reads what is known in one round trip. With `lock`, the products stay as they are until the transaction ends. */
export async function readKnown(
  database: Queryable,
  given: readonly ImportProduct[],
  { importId, dryRun, lock }: { importId: string; dryRun: boolean; lock: boolean }
): Promise<Known> {
  const externalIds = given.flatMap(({ externalId }) => externalId ?? [])
  const skus = given.flatMap(({ variants = [] }) => variants.map(({ sku }) => sku))
  const slugs = [...new Set(given.flatMap(each => wantedSlugOf(each) ?? []))]
  const categoryIds = [...new Set(given.flatMap(({ categoryIds = [] }) => categoryIds))]
  const [rows, slugRows, categoryRows, keyRows] = await Promise.all([
    database.query<ProductRow>(lock ? `${findProducts} for update of p` : findProducts, [
      importId,
      given.flatMap(({ productId }) => productId ?? []),
      externalIds,
      skus
    ]),
    database.query<{ slug: string; product_id: string }>('select slug, product_id from products where slug = any($1::text[])', [
      slugs
    ]),
    categoryIds.length === 0
      ? []
      : database.query<{ category_id: string }>('select category_id from categories where category_id = any($1::uuid[])', [
          categoryIds
        ]),
    dryRun ? readKeys(database, importId, { externalIds, skus, slugs }) : []
  ])
  const known: Known = {
    products: new Map(),
    externalIds: new Map(),
    skus: new Map(),
    slugs: new Map(slugRows.map(row => [row.slug, row.product_id])),
    lines: new Map(),
    categoryIds: new Set(categoryRows.map(row => row.category_id))
  }
  for (const { product_id, document, sequence, line } of rows) {
    const product: Product = JSON.parse(document)
    known.products.set(product_id, { product, sequence })
    if (line !== null) known.lines.set(product_id, line)
    if (product.externalId !== undefined) known.externalIds.set(product.externalId, product_id)
    for (const { sku } of product.variants) known.skus.set(sku, product_id)
  }
  rememberKeys(known, keyRows)
  return known
}

// Ids come from indexes first, one look for each: the table is too large to read whole, whatever the planner knows of it yet.
const findProducts = `select p.product_id, p.document, p.sequence, i.line
  from products p left join import_products i on i.import_id = $1::uuid and i.product_id = p.product_id
  where p.product_id in (
    select unnest($2::uuid[])
    union select product_id from products where external_id = any($3::text[])
    union select product_id from variants where sku = any($4::text[])
  ) order by p.product_id`
