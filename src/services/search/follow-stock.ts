import type { EventOf } from '#contracts/envelope.ts'
import type { InventoryUpdated } from '#contracts/events/inventory-events.ts'
import type { Transaction } from '#platform/postgres/database.ts'

/** Remembers what is available of a variant at a location. */
export function followStock(tx: Transaction, level: EventOf<typeof InventoryUpdated>): Promise<unknown> {
  return tx.query(
    `insert into stock_levels as s (variant_id, location_id, product_id, sequence, available) values ($1, $2, $3, $4, $5)
     on conflict (variant_id, location_id) do update set sequence = excluded.sequence, available = excluded.available
     where s.sequence < excluded.sequence`,
    [level.variantId, level.locationId, level.productId, level.sequence, level.availableQuantity]
  )
}
