/** Where stock is. */
import type { Location } from '#contracts/resources/inventory.ts'
import type { Queryable, Row } from '#platform/postgres/database.ts'

export type LocationRow = Row & {
  location_id: string
  code: string
  name: string
  priority: number
  active: boolean
  is_default: boolean
  version: number
  created_at: string
  updated_at: string
}

export function toLocation(row: LocationRow): Location {
  return {
    locationId: row.location_id,
    code: row.code,
    name: row.name,
    priority: row.priority,
    active: row.active,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }
}

/** Where stock is when nobody says where. */
export async function defaultLocationId(database: Queryable): Promise<string> {
  const [row] = await database.query<{ location_id: string }>('select location_id from locations where is_default')
  return row!.location_id
}
