import { type Announcement, announceAll } from '#platform/messaging/outbox.ts'
import { bigints, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { edgesOf } from './low-stock.ts'
import type { Level, StockItem } from './stock.ts'
import { inventoryUpdated } from './stock-changes.ts'

export type OpeningStock = {
  productId: string
  variantId: string
  onHand: number
  lowStockThreshold: number | null
  tracked: boolean
}

/**
 * Begins counting new variants: a level at the default location, what is there booked as received. Nobody knows of these variants yet, so
 * what is written is all that there is of them, and no lock is needed.
 */
export async function openStock(tx: Transaction, items: readonly OpeningStock[], actor: string): Promise<void> {
  if (items.length === 0) return
  const location = items.some(item => item.lowStockThreshold !== null || item.onHand > 0) ? await defaultLocation(tx) : undefined
  const opened = items.map(item => openedItem(item, location))
  const edges = opened.map(edgesOf)
  tx.send(
    `insert into stock_items (variant_id, product_id, tracked, low_stock_threshold, low, alert_sequence)
     select variant_id, product_id, tracked::boolean, low_stock_threshold, low::boolean, alert_sequence
     from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
       as i (variant_id, product_id, tracked, low_stock_threshold, low, alert_sequence)`,
    [
      uuids(items.map(item => item.variantId)),
      uuids(items.map(item => item.productId)),
      texts(items.map(item => String(item.tracked))),
      bigints(items.map(item => item.lowStockThreshold)),
      texts(edges.map(edge => String(edge?.low ?? false))),
      bigints(edges.map(edge => edge?.alertSequence ?? 0))
    ]
  )
  const levels = opened.map(item => item.levels[0]!)
  tx.send(
    `insert into stock_levels (variant_id, location_id, on_hand, version)
     select variant_id, (select location_id from locations where is_default), on_hand, version
     from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as l (variant_id, on_hand, version)`,
    [
      uuids(levels.map(level => level.variantId)),
      bigints(levels.map(level => level.onHand)),
      bigints(levels.map(level => level.version))
    ]
  )
  const received = opened.filter(item => item.levels[0]!.onHand > 0)
  book(
    tx,
    received.map(item => item.levels[0]!),
    actor
  )
  announceAll(tx, [...received.map(updateOf), ...edges.flatMap(edge => edge?.announcements ?? [])])
}

type Location = { location_id: string; priority: number; active: boolean }

async function defaultLocation(tx: Transaction): Promise<Location> {
  const [location] = await tx.query<Location>('select location_id, priority, active from locations where is_default')
  return location!
}

/** What is received is the second version of a level, which begins with nothing. */
function openedItem({ productId, variantId, onHand, lowStockThreshold, tracked }: OpeningStock, location?: Location): StockItem {
  const { location_id: locationId = '', priority = 0, active = true } = location ?? {}
  const version = onHand > 0 ? 2 : 1
  const level: Level = { variantId, locationId, priority, active, onHand, reserved: 0, safetyStock: 0, version }
  const item = { productId, variantId, tracked, lowStockThreshold, low: false, alertSequence: 0, sellable: false }
  return { ...item, levels: [level], availableBefore: 0, isNew: true }
}

function book(tx: Transaction, levels: readonly Level[], actor: string): void {
  if (levels.length === 0) return
  tx.send(
    `insert into stock_ledger (variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after, reserved_after, reason, actor)
     select variant_id, location_id, 'receive', on_hand, 0, on_hand, 0, 'received', $4::text
     from unnest($1::uuid[], $2::uuid[], $3::bigint[]) with ordinality as l (variant_id, location_id, on_hand, place) order by place`,
    [
      uuids(levels.map(level => level.variantId)),
      uuids(levels.map(level => level.locationId)),
      bigints(levels.map(level => level.onHand)),
      actor
    ]
  )
}

function updateOf({ productId, levels: [level] }: StockItem): Announcement {
  return inventoryUpdated(productId, level!, { deltaOnHand: level!.onHand, deltaReserved: 0 })
}
