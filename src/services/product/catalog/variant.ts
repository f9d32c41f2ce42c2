/** A variant: what can be bought of a product, told from its siblings by the values of its options. */
import { Problem } from '#contracts/problems.ts'
import type { CreateVariant, Product, UpdateVariant, Variant } from '#contracts/resources/product.ts'
import { pricesOf } from '../pricing/price.ts'
import { mergePatch } from './merge-patch.ts'

/** What a new variant may be made of: an import brings variants in that are archived already. */
export type NewVariant = CreateVariant & { status?: Variant['status'] }

/** A new variant, as it is asked for. */
export function newVariant(given: NewVariant, ids: { productId: string; variantId: string }, at: string): Variant {
  const { inventory, prices = [], ...rest } = given
  return {
    status: 'active',
    options: {},
    attributes: {},
    ...rest,
    ...ids,
    prices: pricesOf(prices),
    version: 1,
    createdAt: at,
    updatedAt: at
  }
}

/** The variant with a merge patch applied. */
export function patchedVariant(variant: Variant, patch: UpdateVariant): Variant {
  return mergePatch(variant, patch)
}

/** The same for the same values of the same options, in whatever order they stand. */
export function optionsKeyOf({ options }: Pick<Variant, 'options'>): string {
  return JSON.stringify(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Where counting begins for a new variant. */
export function openingStockOf({ productId, variantId }: Variant, { inventory = {} }: Pick<CreateVariant, 'inventory'>) {
  const { onHand = 0, lowStockThreshold = null, tracked = true } = inventory
  return { productId, variantId, onHand, lowStockThreshold, tracked }
}

/** The variant of a product that has this id. Throws `not-found`. */
export function variantIn({ variants }: Product, variantId: string): Variant {
  const variant = variants.find(each => each.variantId === variantId)
  if (!variant) throw new Problem('not-found')
  return variant
}
