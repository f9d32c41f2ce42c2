import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Location } from '#contracts/resources/inventory.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { type LocationRow, toLocation } from './location.ts'

export async function getLocation(
  { database }: Reading,
  { params }: Input<typeof inventoryOperations.getLocation>
): Promise<Location> {
  const [row] = await database.query<LocationRow>('select * from locations where location_id = $1', [params.locationId])
  if (!row) throw new Problem('not-found', 'There is no such location')
  return toLocation(row)
}
