/** A product: one aggregate with its variants and prices, whole and lawful after every change. */
import { Problem } from '#contracts/problems.ts'
import type { CreateProduct, Product, UpdateProduct, Variant } from '#contracts/resources/product.ts'
import { mergePatch } from './merge-patch.ts'
import { type NewVariant, newVariant, optionsKeyOf } from './variant.ts'

type Status = Product['status']

const transitions: Record<Status, readonly Status[]> = {
  draft: ['active', 'archived'],
  active: ['archived'],
  archived: ['active']
}

/** What a new product may be made of: an import brings products in that are archived already. */
export type NewProduct = Omit<CreateProduct, 'status' | 'variants'> & { status?: Status; variants?: NewVariant[] }

/** A new product, as it is asked for. Needs one id for each of its variants. */
export function newProduct(
  given: NewProduct,
  ids: { productId: string; slug: string; variantIds: readonly string[] },
  at: string
): Product {
  const { variants = [], ...rest } = given
  const { productId, slug, variantIds } = ids
  return settled({
    status: 'draft',
    categoryIds: [],
    attributes: {},
    media: [],
    options: [],
    ...rest,
    productId,
    slug,
    variants: variants.map((variant, index) => newVariant(variant, { productId, variantId: variantIds[index]! }, at)),
    version: 1,
    createdAt: at,
    updatedAt: at
  })
}

/** The product with a merge patch applied. */
export function patchedProduct(product: Product, patch: UpdateProduct): Product {
  return revisedProduct(product, patch, product.variants)
}

/** The product with a merge patch applied and with these variants. */
export function revisedProduct(product: Product, patch: UpdateProduct, variants: Variant[]): Product {
  if (patch.status) checkTransition(product.status, patch.status)
  return settled({ ...mergePatch(product, patch), variants })
}

/** The product with one more variant, or with another state of one that it has. */
export function withVariant(product: Product, variant: Variant): Product {
  const known = product.variants.some(({ variantId }) => variantId === variant.variantId)
  const variants = known
    ? product.variants.map(each => (each.variantId === variant.variantId ? variant : each))
    : [...product.variants, variant]
  return settled({ ...product, variants })
}

export function withoutVariant(product: Product, variantId: string): Product {
  return settled({ ...product, variants: product.variants.filter(variant => variant.variantId !== variantId) })
}

/** Throws `illegal-transition` for a status that does not follow this one. A status follows itself: nothing changes. */
function checkTransition(from: Status, to: Status): void {
  if (from !== to && !transitions[from].includes(to)) {
    throw new Problem('illegal-transition', `A product that is ${from} cannot become ${to}`, { currentStatus: from })
  }
}

/** An active product is archived before it is deleted. */
export function checkDeletable({ status }: Product): void {
  if (status === 'active')
    throw new Problem('illegal-transition', 'A product that is active is archived first', { currentStatus: status })
}

/** The product with the options that its variants use; throws what no product may be. */
function settled(product: Product): Product {
  const whole = { ...product, options: withUsedOptions(product) }
  checkVariants(whole)
  checkLimits(whole)
  return whole
}

function withUsedOptions({ options, variants }: Product): Product['options'] {
  const valuesOf = new Map<string, Set<string>>()
  const add = (name: string, values: readonly string[]) => {
    const known = valuesOf.get(name) ?? new Set()
    for (const value of values) known.add(value)
    valuesOf.set(name, known)
  }
  for (const { name, values } of options) add(name, values)
  for (const variant of variants) for (const [name, value] of Object.entries(variant.options)) add(name, [value])
  return [...valuesOf].map(([name, values]) => ({ name, values: [...values] }))
}

function checkVariants({ status, variants }: Product): void {
  if (status === 'active' && !variants.some(variant => variant.status === 'active')) {
    throw new Problem('variant-required', 'An active product needs at least one active variant')
  }
  const skus = new Set<string>()
  const siblings = new Map<string, Variant>()
  for (const variant of variants) {
    const { sku, options } = variant
    if (skus.has(sku)) throw new Problem('sku-taken', `Two variants have the SKU ${sku}`, { sku })
    skus.add(sku)
    const sibling = siblings.get(optionsKeyOf(variant))
    if (sibling) {
      throw new Problem('duplicate-options', `The variants ${sibling.sku} and ${sku} have the same options`, { options, sku })
    }
    siblings.set(optionsKeyOf(variant), variant)
  }
}

const OPTIONS_MAX = 5
const OPTION_VALUES_MAX = 200
const ATTRIBUTES_MAX = 100

/** What each request keeps to by its schema, what was there before and what it adds must keep to together. */
function checkLimits({ options, attributes, variants }: Product): void {
  checkLimit('options', options.length, OPTIONS_MAX, 'options of a product')
  for (const { name, values } of options) checkLimit('options', values.length, OPTION_VALUES_MAX, `values of the option ${name}`)
  checkLimit('attributes', Object.keys(attributes).length, ATTRIBUTES_MAX, 'attributes of a product')
  for (const { sku, attributes } of variants) {
    checkLimit('attributes', Object.keys(attributes).length, ATTRIBUTES_MAX, `attributes of the variant ${sku}`)
  }
}

function checkLimit(member: string, count: number, max: number, what: string): void {
  if (count <= max) return
  const detail = `There would be ${count} ${what}; at most ${max} are allowed`
  throw new Problem('invalid-request', detail, { errors: [{ pointer: `#/${member}`, code: 'limit', detail }] })
}
