import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Inventory } from '#contracts/resources/inventory.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readInventories, shown } from './inventory.ts'

export async function getInventory(
  { database }: Reading,
  { params }: Input<typeof inventoryOperations.getInventory>
): Promise<Inventory> {
  const [inventory] = await readInventories(database, [params.variantId])
  if (!inventory) throw new Problem('not-found', 'There is no such variant')
  return shown(inventory)
}
