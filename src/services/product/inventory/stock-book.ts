/**
 * The only way to the counters. `openStockBook` locks every level of some variants, in one order; movements are booked in memory;
 * `write` stores counters, ledger and events in one go. So every path that changes availability leaves its ledger entries, one
 * InventoryUpdated per level, and the edges of low stock.
 */

import { Problem } from '#contracts/problems.ts'
import { QUANTITY_MAX } from '#contracts/resources/primitives.ts'
import type { Announcement } from '#platform/messaging/outbox.ts'
import type { Row, Transaction } from '#platform/postgres/database.ts'
import { availableOf, type LedgerRow, type Level, type Movement, type StockItem } from './stock.ts'
import { stockChanges, store, storeEdges } from './stock-changes.ts'

export interface StockBook {
  item(variantId: string): StockItem | undefined
  /** Changes a level in memory. Throws `quantity-overflow` beyond the limit of quantities. */
  move(variantId: string, locationId: string, movement: Movement): LedgerRow
  /** Changes how much of a level is never promised. */
  keepBack(variantId: string, locationId: string, safetyStock: number): void
  /** Has every level of a location sold from, or not. */
  switchLocation(locationId: string, active: boolean): void
  /** Stores what was moved, without waiting for it, and gives back what is to be announced. */
  write(tx: Transaction): Announcement[]
  /** The same, waiting for the ids of the ledger entries, in the order in which they were moved. */
  writeLedger(tx: Transaction): Promise<{ announcements: Announcement[]; ledgerEntryIds: number[] }>
}

/** Locks all levels of the variants until the transaction ends. A variant that does not exist has no item. */
export async function openStockBook(tx: Transaction, variantIds: readonly string[]): Promise<StockBook> {
  const ids = [...new Set(variantIds)]
  // Two statements, one round trip: the second begins when the locks are held, so it sees what their last holders committed.
  const [levels, rows] = await Promise.all([tx.query<LevelRow>(lockLevels, [ids]), tx.query<ItemRow>(readItems, [ids])])
  const items = new Map(rows.map(row => [row.variant_id, toItem(row)]))
  const byPlace = new Map<string, Level>()
  for (const row of levels) {
    const level = toLevel(row)
    items.get(row.variant_id)?.levels.push(level)
    byPlace.set(`${row.variant_id} ${row.location_id}`, level)
  }
  for (const item of items.values()) item.availableBefore = availableOf(item.levels)
  const ledger: LedgerRow[] = []
  /** Levels whose availability changed without their counters. */
  const kept = new Set<Level>()

  function levelAt(variantId: string, locationId: string): Level {
    const level = byPlace.get(`${variantId} ${locationId}`)
    if (!level) throw new Error(`the level of ${variantId} at ${locationId} is not locked`)
    return level
  }

  return {
    item: variantId => items.get(variantId),
    keepBack(variantId, locationId, safetyStock) {
      const level = levelAt(variantId, locationId)
      level.safetyStock = safetyStock
      kept.add(level)
    },
    switchLocation(locationId, active) {
      for (const level of byPlace.values()) {
        if (level.locationId !== locationId) continue
        level.active = active
        kept.add(level)
      }
    },
    move(variantId, locationId, movement) {
      const level = levelAt(variantId, locationId)
      if (level.onHand + movement.deltaOnHand > QUANTITY_MAX) throw new Problem('quantity-overflow', undefined, { variantId })
      level.onHand += movement.deltaOnHand
      level.reserved += movement.deltaReserved
      const row = {
        orderId: null,
        reason: null,
        note: null,
        ...movement,
        variantId,
        locationId,
        onHandAfter: level.onHand,
        reservedAfter: level.reserved
      }
      ledger.push(row)
      return row
    },
    write(tx) {
      const { stored, edges, announcements } = stockChanges(items, byPlace, ledger, kept)
      if (stored) tx.send(store, stored)
      if (edges) tx.send(storeEdges, edges)
      return announcements
    },
    async writeLedger(tx) {
      const { stored, edges, announcements } = stockChanges(items, byPlace, ledger, kept)
      const rows = stored ? await tx.query<{ ledger_entry_id: number }>(store, stored) : []
      if (edges) tx.send(storeEdges, edges)
      return { announcements, ledgerEntryIds: rows.map(row => row.ledger_entry_id) }
    }
  }
}

const lockLevels = `select l.variant_id, l.location_id, l.on_hand, l.reserved, l.safety_stock, l.version, o.priority, o.active
  from stock_levels l join locations o using (location_id)
  where l.variant_id = any($1::uuid[])
  order by l.variant_id, l.location_id
  for update of l`

const readItems = `select i.variant_id, i.product_id, i.tracked, i.low_stock_threshold, i.low, i.alert_sequence,
    v.status = 'active' and p.status = 'active' as sellable
  from stock_items i join variants v using (variant_id) join products p on p.product_id = v.product_id
  where i.variant_id = any($1::uuid[])`

type LevelRow = Row & {
  variant_id: string
  location_id: string
  on_hand: number
  reserved: number
  safety_stock: number
  version: number
  priority: number
  active: boolean
}

type ItemRow = Row & {
  variant_id: string
  product_id: string
  tracked: boolean
  low_stock_threshold: number | null
  low: boolean
  alert_sequence: number
  sellable: boolean
}

function toLevel(row: LevelRow): Level {
  return {
    variantId: row.variant_id,
    locationId: row.location_id,
    priority: row.priority,
    active: row.active,
    onHand: row.on_hand,
    reserved: row.reserved,
    safetyStock: row.safety_stock,
    version: row.version
  }
}

function toItem(row: ItemRow): StockItem {
  return {
    variantId: row.variant_id,
    productId: row.product_id,
    tracked: row.tracked,
    lowStockThreshold: row.low_stock_threshold,
    low: row.low,
    alertSequence: row.alert_sequence,
    sellable: row.sellable,
    levels: [],
    availableBefore: 0,
    isNew: false
  }
}
