import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Location } from '#contracts/resources/inventory.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type LocationRow, toLocation } from './location.ts'
import { openStockBook } from './stock-book.ts'

/** Changes a location. One that is no longer active sells nothing, so what is available changes of everything that it has. */
export async function updateLocation(
  tx: Transaction,
  { params, body, expected }: Input<typeof inventoryOperations.updateLocation>
): Promise<Location> {
  const [before] = await tx.query<LocationRow>('select * from locations where location_id = $1 for update', [params.locationId])
  if (!before) throw new Problem('not-found', 'There is no such location')
  keepBefore(tx, toLocation(before))
  checkVersion(expected, before.version)
  const { name = before.name, priority = before.priority, active = before.active } = body
  if (name === before.name && priority === before.priority && active === before.active) return toLocation(before)

  const book = active === before.active ? undefined : await openStockBook(tx, await variantsAt(tx, params.locationId))
  const [row] = await tx.query<LocationRow>(
    `update locations set name = $2, priority = $3, active = $4, version = version + 1, updated_at = now()
     where location_id = $1 and version = $5 returning *`,
    [params.locationId, name, priority, active, before.version]
  )
  if (book) {
    book.switchLocation(params.locationId, active)
    announceAll(tx, book.write(tx))
  }
  return toLocation(row!)
}

async function variantsAt(tx: Transaction, locationId: string): Promise<string[]> {
  const rows = await tx.query<{ variant_id: string }>('select variant_id from stock_levels where location_id = $1', [locationId])
  return rows.map(row => row.variant_id)
}
