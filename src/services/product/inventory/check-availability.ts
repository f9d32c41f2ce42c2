import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import type { Availability } from '#contracts/resources/inventory.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readInventories } from './inventory.ts'

/** What can be promised of many variants now, in the order asked; it promises nothing. */
export async function checkAvailability(
  { database }: Reading,
  { body }: Input<typeof inventoryOperations.checkAvailability>
): Promise<Availability> {
  const inventories = await readInventories(database, body.variantIds)
  const known = new Map(inventories.map(inventory => [inventory.variantId, inventory]))
  return {
    data: body.variantIds.map(variantId => {
      const inventory = known.get(variantId)
      return {
        variantId,
        productId: inventory?.productId ?? null,
        sellable: inventory?.sellable ?? false,
        tracked: inventory?.tracked ?? true,
        available: inventory?.available ?? 0
      }
    })
  }
}
