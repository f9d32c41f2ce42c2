import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Location } from '#contracts/resources/inventory.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type LocationRow, toLocation } from './location.ts'

/** Adds a place where stock can be. It has none yet. */
export async function createLocation(
  tx: Transaction,
  { body }: Input<typeof inventoryOperations.createLocation>
): Promise<Location> {
  const { code, name, priority = 100, active = true } = body
  const [row] = await tx.query<LocationRow>(
    `insert into locations (location_id, code, name, priority, active) values ($1, $2, $3, $4, $5)
     on conflict on constraint locations_code do nothing returning *`,
    [newId(), code, name, priority, active]
  )
  if (!row) throw new Problem('code-taken', `Another location has the code ${code}`)
  return toLocation(row)
}
