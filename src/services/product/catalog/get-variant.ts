import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Variant } from '#contracts/resources/product.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readVariant } from './read-variant.ts'

/** Gets a variant. */
export function getVariant({ database }: Reading, input: Input<typeof catalogOperations.getVariant>): Promise<Variant> {
  return readVariant(database, input.params.variantId)
}
