/** The stock of variants as it is shown. What lapsed holds still hold counts as available: expiry holds when it is read. */
import type { Inventory } from '#contracts/resources/inventory.ts'
import type { Queryable, Row } from '#platform/postgres/database.ts'
import { availableAt, availableOf, type Level } from './stock.ts'

type InventoryRow = Row & {
  product_id: string
  variant_id: string
  sku: string
  tracked: boolean
  low_stock_threshold: number | null
  version: number
  sellable: boolean
  levels: Level[] | null
}

export type StoredInventory = Inventory & { sellable: boolean }

/** Reads the stock of variants; those that do not exist are left out. */
export async function readInventories(database: Queryable, variantIds: readonly string[]): Promise<StoredInventory[]> {
  const rows = await database.query<InventoryRow>(
    `select i.product_id, i.variant_id, v.sku, i.tracked, i.low_stock_threshold, i.version,
       v.status = 'active' and p.status = 'active' as sellable,
       (select json_agg(json_build_object('variantId', l.variant_id, 'locationId', l.location_id, 'priority', o.priority, 'active', o.active,
           'onHand', l.on_hand, 'reserved', l.reserved - coalesce(lapsed.quantity, 0), 'safetyStock', l.safety_stock, 'version', l.version)
           order by o.priority, l.location_id)
        from stock_levels l join locations o using (location_id)
        left join lateral (
          select sum(h.quantity)::bigint as quantity from reservations r join reservation_lines h using (reservation_id)
          where r.status = 'reserved' and r.expires_at <= now() and h.variant_id = l.variant_id and h.location_id = l.location_id
        ) lapsed on true
        where l.variant_id = i.variant_id) as levels
     from stock_items i join variants v using (variant_id) join products p on p.product_id = v.product_id
     where i.variant_id = any($1::uuid[])`,
    [variantIds]
  )
  return rows.map(toInventory)
}

function toInventory(row: InventoryRow): StoredInventory {
  const levels = row.levels ?? []
  return {
    productId: row.product_id,
    variantId: row.variant_id,
    sku: row.sku,
    tracked: row.tracked,
    onHand: levels.reduce((sum, level) => sum + level.onHand, 0),
    reserved: levels.reduce((sum, level) => sum + level.reserved, 0),
    available: availableOf(levels),
    lowStockThreshold: row.low_stock_threshold,
    locations: levels.map(level => ({
      locationId: level.locationId,
      onHand: level.onHand,
      reserved: level.reserved,
      available: availableAt(level),
      safetyStock: level.safetyStock,
      version: level.version
    })),
    version: row.version,
    sellable: row.sellable
  }
}

/** Without what only availability needs. */
export function shown({ sellable: _, ...inventory }: StoredInventory): Inventory {
  return inventory
}
