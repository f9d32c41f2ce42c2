/** What a batch of records makes of the catalog: which products are new, which change, and what is wrong with the rest. */
import { type Fault, Problem } from '#contracts/problems.ts'
import type { ImportProduct } from '#contracts/resources/import.ts'
import type { Product } from '#contracts/resources/product.ts'
import { changeOf, creationOf, type ProductChange } from '../catalog/product-change.ts'
import type { PlannedChange } from '../catalog/store-changes.ts'
import type { OpeningStock } from '../inventory/open-stock.ts'
import type { CheckedRecord } from './checked-records.ts'
import { createdProduct, type GivenProduct, refusal, updatedProduct } from './imported-product.ts'
import { type Known, rememberProduct, wantedSlugOf } from './known.ts'

/** Something that is wrong with a record. */
export type RecordError = Fault & { line: number }

/** `crowded`: another product has the slug that was made from its title, so it needs another. */
export type Creation = { change: ProductChange; crowded: boolean }

export type Plan = {
  creations: Creation[]
  changes: PlannedChange[]
  unchanged: number
  stock: OpeningStock[]
  /** Every product that a line was. */
  lines: { productId: string; line: number }[]
  categoryIds: Set<string>
  failed: number
  errors: RecordError[]
}

export type Planning = {
  known: Known
  categoryIdOf: (path: readonly string[]) => string
  newId: () => string
  at: string
}

/** Nothing is planned yet. */
export function emptyPlan(): Plan {
  return { creations: [], changes: [], unchanged: 0, stock: [], lines: [], categoryIds: new Set(), failed: 0, errors: [] }
}

/** Adds records to a plan, in their order: what one of them makes, later ones meet. */
export function planRecords(
  plan: Plan,
  records: readonly Pick<CheckedRecord, 'line' | 'given' | 'errors'>[],
  planning: Planning
): void {
  for (const { line, given, errors } of records) {
    if (given) {
      try {
        planRecord(plan, line, given, planning)
        continue
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        plan.errors.push(...faultsOf(error).map(fault => ({ line, ...fault })))
      }
    }
    plan.failed++
    plan.errors.push(...errors)
  }
}

/** What a refusal says is wrong with a record. */
export function faultsOf(problem: Problem): Fault[] {
  const { errors } = problem.extensions as { errors?: Fault[] }
  return errors ?? [{ pointer: '#', code: problem.code, detail: problem.message }]
}

function planRecord(plan: Plan, line: number, given: ImportProduct, planning: Planning): void {
  const { known } = planning
  const productId = productOf(known, given)
  const earlier = productId && known.lines.get(productId)
  if (earlier) throw refusal('#', 'duplicate-in-file', `line ${earlier} of the file is the same product`)
  const before = productId === undefined ? undefined : known.products.get(productId)
  const resolved = withCategoryIds(given, planning, before?.product)
  const slug = wantedSlugOf(given) ?? ''
  const slugOwner = known.slugs.get(slug)
  if (given.slug !== undefined && slugOwner !== undefined && slugOwner !== productId)
    throw refusal('#/slug', 'slug-taken', `another product has the slug ${given.slug}`)
  const { product, stock } = before ? updatedProduct(before.product, resolved, planning) : createdProduct(resolved, slug, planning)
  const change = before && changeOf(before.product, product, planning.at)
  if (change) plan.changes.push({ change, before: before.product, lastSequence: before.sequence })
  else if (before) plan.unchanged++
  else plan.creations.push({ change: creationOf(product), crowded: slugOwner !== undefined })
  plan.stock.push(...stock)
  plan.lines.push({ productId: product.productId, line })
  for (const id of product.categoryIds) plan.categoryIds.add(id)
  rememberProduct(known, product, line)
}

/** The product that a record is, if there is one. Throws when it is more than one. */
function productOf(known: Known, { externalId, productId, variants = [] }: ImportProduct): string | undefined {
  const byExternalId = externalId === undefined ? undefined : known.externalIds.get(externalId)
  const byId = productId !== undefined && known.products.has(productId) ? productId : undefined
  if (byExternalId && byId && byExternalId !== byId)
    throw refusal('#/productId', 'several-products', `the external id ${externalId} is of the product ${byExternalId}`)
  let found = byExternalId ?? byId
  const seen = new Set<string>()
  variants.forEach(({ sku }, index) => {
    const pointer = `#/variants/${index}/sku`
    if (seen.has(sku)) throw refusal(pointer, 'duplicate-sku', `two variants of this product have the SKU ${sku}`)
    seen.add(sku)
    const owner = known.skus.get(sku)
    if (owner !== undefined && found !== undefined && owner !== found)
      throw refusal(pointer, 'sku-taken', `the SKU ${sku} is of the product ${owner}, and this is the product ${found}`)
    found ??= owner
  })
  return found
}

/** Categories that a product is in already are there as long as it is. */
function withCategoryIds(given: ImportProduct, { known, categoryIdOf }: Planning, before: Product | undefined): GivenProduct {
  const { categoryPaths, ...rest } = given
  if (categoryPaths) return { ...rest, categoryIds: [...new Set(categoryPaths.map(categoryIdOf))] }
  rest.categoryIds?.forEach((categoryId, index) => {
    if (known.categoryIds.has(categoryId) || before?.categoryIds.includes(categoryId)) return
    throw refusal(`#/categoryIds/${index}`, 'reference-not-found', `there is no category ${categoryId}`)
  })
  return rest
}
