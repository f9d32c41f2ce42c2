/** What one transaction changes of a product, found by comparing it before and after: versions, rows, history and events follow from it. */
import { Product, Variant } from '#contracts/resources/product.ts'
import { differencesOf, type PriceDifference } from '../pricing/price.ts'
import { changedFields } from './changed-fields.ts'
import { documentOf } from './product-document.ts'

export type ProductChange = {
  /** As it is from now on, with its new version. */
  product: Product
  /** The same as the text that is served. */
  document: string
  /** Empty for a new product. */
  changedFields: readonly string[]
  /** Whether this is the change that archives it. */
  archived: boolean
  variants: readonly VariantChange[]
}

export type VariantChange = {
  kind: 'created' | 'updated' | 'deleted'
  variant: Variant
  /** Of an updated variant. */
  changedFields: readonly string[]
  /** Of a variant that stays. */
  prices: readonly PriceDifference[]
}

/** The change that makes `after` of `before`, or null when they are the same. Each that differs gets its next version, as of `at`. */
export function changeOf(before: Product, after: Product, at: string): ProductChange | null {
  const fields = changedFields(before, after)
  if (fields.length === 0) return null
  const variants = variantChanges(before.variants, after.variants, at)
  const stamped = new Map(variants.map(({ variant }) => [variant.variantId, variant]))
  const product = arranged(Product.properties, {
    ...after,
    variants: after.variants.map(variant => stamped.get(variant.variantId) ?? variant),
    version: before.version + 1,
    updatedAt: at
  })
  const archived = after.status === 'archived' && before.status !== 'archived'
  return { product, document: documentOf(product), changedFields: fields, archived, variants }
}

/** The change that brings a new product into the catalog. */
export function creationOf(product: Product): ProductChange {
  const variants = variantChanges([], product.variants, product.createdAt)
  const created = arranged(Product.properties, { ...product, variants: variants.map(({ variant }) => variant) })
  return { product: created, document: documentOf(created), changedFields: [], archived: false, variants }
}

function variantChanges(before: readonly Variant[], after: readonly Variant[], at: string): VariantChange[] {
  const old = new Map(before.map(variant => [variant.variantId, variant]))
  const changes: VariantChange[] = []
  for (const variant of after) {
    const previous = old.get(variant.variantId)
    old.delete(variant.variantId)
    const fields = previous ? changedFields(previous, variant) : []
    const prices = differencesOf(previous?.prices ?? [], variant.prices)
    if (!previous) {
      changes.push({ kind: 'created', variant: arranged(Variant.properties, variant), changedFields: fields, prices })
    } else if (fields.length > 0) {
      const next = arranged(Variant.properties, { ...variant, version: previous.version + 1, updatedAt: at })
      changes.push({ kind: 'updated', variant: next, changedFields: fields, prices })
    }
  }
  for (const variant of old.values()) changes.push({ kind: 'deleted', variant, changedFields: [], prices: [] })
  return changes
}

/** The same resource with its members in the order of the contract, whatever the order in which they came to be. */
function arranged<Resource extends object>(properties: object, resource: Resource): Resource {
  const given = resource as Record<string, unknown>
  const members: Record<string, unknown> = {}
  for (const name in properties) if (given[name] !== undefined) members[name] = given[name]
  return members as Resource
}
