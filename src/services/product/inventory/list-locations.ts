import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { type LocationRow, toLocation } from './location.ts'

type Operation = typeof inventoryOperations.listLocations

export async function listLocations({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  return page(
    cursors,
    'listLocations',
    query,
    async (after, limit) => {
      const rows = await database.query<LocationRow>(
        'select * from locations where $1::uuid is null or location_id > $1 order by location_id limit $2',
        [after?.[0] ?? null, limit]
      )
      return rows.map(toLocation)
    },
    location => [location.locationId]
  )
}
