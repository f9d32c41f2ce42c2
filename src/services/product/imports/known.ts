/** What the catalog, and the file so far, have of what records may be. */
import type { ImportProduct } from '#contracts/resources/import.ts'
import type { Product } from '#contracts/resources/product.ts'
import { slugOf } from '../catalog/slug.ts'
import type { Plan } from './plan-batch.ts'

/** Ids of products by what they are known by. Planning adds to it what it plans. */
export type Known = {
  /** Those of the catalog, each with the number of the last event that tells of it. */
  products: Map<string, { product: Product; sequence: number }>
  externalIds: Map<string, string>
  skus: Map<string, string>
  slugs: Map<string, string>
  /** Which line of the file a product was already. */
  lines: Map<string, number>
  categoryIds: Set<string>
}

/** From here on a product is what a line of the file was, and is known by what it says. */
export function rememberProduct(known: Known, { productId, externalId, slug, variants }: Product, line: number): void {
  known.lines.set(productId, line)
  known.slugs.set(slug, productId)
  if (externalId !== undefined) known.externalIds.set(externalId, productId)
  for (const { sku } of variants) known.skus.set(sku, productId)
}

/** The same for all that was planned before. */
export function rememberPlan(known: Known, { lines, creations, changes }: Plan): void {
  const products = [...creations, ...changes].map(({ change }) => change.product)
  for (const product of products) rememberProduct(known, product, 0)
  for (const { productId, line } of lines) known.lines.set(productId, line)
}

/** The slug that a record asks for, or that a product with its title would get. */
export function wantedSlugOf({ slug, title }: Pick<ImportProduct, 'slug' | 'title'>): string | undefined {
  return slug ?? (title === undefined ? undefined : slugOf(title, 'product'))
}
