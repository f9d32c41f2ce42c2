/** What a record of a file makes of a product: of none, a new one; of one that is there, the same with what the record says. */
import { type Fault, Problem } from '#contracts/problems.ts'
import type { ImportProduct } from '#contracts/resources/import.ts'
import type { Product, Variant } from '#contracts/resources/product.ts'
import { mergePatch } from '../catalog/merge-patch.ts'
import { type NewProduct, newProduct, revisedProduct } from '../catalog/product.ts'
import { type NewVariant, newVariant, openingStockOf } from '../catalog/variant.ts'
import type { OpeningStock } from '../inventory/open-stock.ts'
import { type Price, pricesOf } from '../pricing/price.ts'

/** A record whose categories are known by their ids. */
export type GivenProduct = Omit<ImportProduct, 'categoryPaths'>
type GivenVariant = NonNullable<ImportProduct['variants']>[number]

/** The product as it would be, and where counting begins for those of its variants that are new. */
export type ImportedProduct = { product: Product; stock: OpeningStock[] }

type Making = { at: string; newId: () => string }

/** A new product. Throws `invalid-request` without a title, and what no product may be. */
export function createdProduct(given: GivenProduct, slug: string, { at, newId }: Making): ImportedProduct {
  if (given.title === undefined) throw refusal('#/title', 'required', 'a product that is not in the catalog yet needs a title')
  const variants = (given.variants ?? []).map(variant => withoutNulls(variant) as NewVariant)
  const ids = { productId: newId(), slug, variantIds: variants.map(newId) }
  const product = newProduct({ ...(withoutNulls(given) as NewProduct), variants }, ids, at)
  return { product, stock: product.variants.map((variant, index) => openingStockOf(variant, variants[index]!)) }
}

/**
 * The product with what the record gives: members that it leaves out stay, and so do variants, attributes and currencies. Throws what no
 * product may be, and `illegal-transition`.
 */
export function updatedProduct(product: Product, given: GivenProduct, { at, newId }: Making): ImportedProduct {
  const { productId, variants: givenVariants = [], version, createdAt, updatedAt, ...patch } = given
  const variants = [...product.variants]
  const places = new Map(variants.map((variant, place) => [variant.sku, place]))
  const stock: OpeningStock[] = []
  for (const each of givenVariants) {
    const place = places.get(each.sku)
    if (place !== undefined) {
      variants[place] = updatedVariant(variants[place]!, each)
      continue
    }
    const created = withoutNulls(each) as NewVariant
    const variant = newVariant(created, { productId: product.productId, variantId: newId() }, at)
    variants.push(variant)
    stock.push(openingStockOf(variant, created))
  }
  return { product: revisedProduct(product, patch, variants), stock }
}

/** Options are what tells a variant from its siblings, so they are set as a whole. */
function updatedVariant(variant: Variant, given: GivenVariant): Variant {
  const { variantId, productId, version, createdAt, updatedAt, inventory, options, prices, ...patch } = given
  return {
    ...mergePatch(variant, patch),
    options: options ?? variant.options,
    prices: prices ? mergedPrices(variant.prices, prices) : variant.prices
  }
}

/** Currencies that are given are set, others stay. */
function mergedPrices(prices: readonly Price[], given: readonly Price[]): Price[] {
  return pricesOf([...prices, ...given])
}

/** Null says that there is none, which what is new need not say. */
function withoutNulls<Value extends { attributes?: object }>(value: Value): Value {
  const { attributes } = value
  const kept = withoutNullMembers(value)
  return attributes && hasNulls(attributes) ? { ...kept, attributes: withoutNullMembers(attributes) } : kept
}

function withoutNullMembers<Value extends object>(value: Value): Value {
  if (!hasNulls(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null)) as Value
}

function hasNulls(value: object): boolean {
  for (const name in value) if ((value as Record<string, unknown>)[name] === null) return true
  return false
}

/** A refusal of one place of a record. */
export function refusal(pointer: string, code: string, detail: string): Problem {
  return new Problem('invalid-request', detail, { errors: [{ pointer, code, detail }] satisfies Fault[] })
}
