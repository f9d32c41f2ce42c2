/**
 * The only way to the counters. `openStockBook` locks every level of some variants, in one order; movements are booked in memory;
 * `write` stores counters, ledger and events in one go. So every path that changes availability leaves its ledger entries, one
 * InventoryUpdated per level, and the edges of low stock.
 */

import { InventoryUpdated } from '#contracts/events/inventory-events.ts'
import { Problem } from '#contracts/problems.ts'
import { QUANTITY_MAX } from '#contracts/resources/primitives.ts'
import type { Row, Transaction } from '#platform/database.ts'
import { type Announcement, announcement } from '#platform/outbox.ts'
import { edgesOf } from './low-stock.ts'
import { availableAt, availableOf, type Level, type Movement } from './stock.ts'

export type StockItem = {
  variantId: string
  productId: string
  tracked: boolean
  lowStockThreshold: number | null
  low: boolean
  alertSequence: number
  /** It and its product are active. */
  sellable: boolean
  levels: Level[]
  availableBefore: number
  /** It is being created: its first units are not "back". */
  isNew: boolean
}

export type LedgerRow = Required<Movement> & { variantId: string; locationId: string; onHandAfter: number; reservedAfter: number }

export interface StockBook {
  item(variantId: string): StockItem | undefined
  /** Changes a level in memory. Throws `quantity-overflow` beyond the limit of quantities. */
  move(variantId: string, locationId: string, movement: Movement): LedgerRow
  /** Changes how much of a level is never promised. */
  keepBack(variantId: string, locationId: string, safetyStock: number): void
  /** Has every level of a location sold from, or not. */
  switchLocation(locationId: string, active: boolean): void
  /** Stores what was moved and gives back what is to be announced. Ledger ids are those of the rows in the order they were moved. */
  write(tx: Transaction): Promise<{ announcements: Announcement[]; ledgerEntryIds: number[] }>
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
    write: tx => write(tx, items, byPlace, ledger, kept)
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

/** Counters and ledger in one statement: neither changes without the other. */
const store = `with moved as (
    select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
      as m (variant_id, location_id, delta_on_hand, delta_reserved, safety_stock)
  ), updated as (
    update stock_levels l
    set on_hand = l.on_hand + m.delta_on_hand, reserved = l.reserved + m.delta_reserved,
      safety_stock = m.safety_stock, version = l.version + 1
    from moved m where l.variant_id = m.variant_id and l.location_id = m.location_id
  )
  insert into stock_ledger (variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after, reserved_after, reason, note, order_id, actor)
  select e.variant_id, e.location_id, e.kind, e.delta_on_hand, e.delta_reserved, e.on_hand_after, e.reserved_after, e.reason, e.note, e.order_id, e.actor
  from unnest($6::uuid[], $7::uuid[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[])
    with ordinality as e (variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after, reserved_after, reason, note, order_id, actor, place)
  order by e.place
  returning ledger_entry_id`

async function write(
  tx: Transaction,
  items: ReadonlyMap<string, StockItem>,
  byPlace: ReadonlyMap<string, Level>,
  ledger: readonly LedgerRow[],
  kept: ReadonlySet<Level>
): Promise<{ announcements: Announcement[]; ledgerEntryIds: number[] }> {
  const nets = netMovements(ledger, kept)
  const edges = [...items.values()].map(edgesOf).filter(edge => edge !== undefined)
  const [stored] = await Promise.all([
    nets.length === 0
      ? []
      : tx.query<{ ledger_entry_id: number }>(store, [
          nets.map(net => net.variantId),
          nets.map(net => net.locationId),
          nets.map(net => net.deltaOnHand),
          nets.map(net => net.deltaReserved),
          nets.map(net => byPlace.get(`${net.variantId} ${net.locationId}`)!.safetyStock),
          ledger.map(row => row.variantId),
          ledger.map(row => row.locationId),
          ledger.map(row => row.kind),
          ledger.map(row => row.deltaOnHand),
          ledger.map(row => row.deltaReserved),
          ledger.map(row => row.onHandAfter),
          ledger.map(row => row.reservedAfter),
          ledger.map(row => row.reason),
          ledger.map(row => row.note),
          ledger.map(row => row.orderId),
          ledger.map(row => row.actor)
        ]),
    edges.length === 0
      ? []
      : tx.query(storeEdges, [
          edges.map(edge => edge.variantId),
          edges.map(edge => edge.low),
          edges.map(edge => edge.alertSequence)
        ])
  ])
  const updates = nets.map(net => {
    const item = items.get(net.variantId)!
    const level = byPlace.get(`${net.variantId} ${net.locationId}`)!
    level.version += 1
    return announcement(
      InventoryUpdated,
      {
        productId: item.productId,
        variantId: net.variantId,
        locationId: net.locationId,
        onHand: level.onHand,
        reserved: level.reserved,
        availableQuantity: availableAt(level),
        deltaOnHand: net.deltaOnHand,
        deltaReserved: net.deltaReserved
      },
      level.version
    )
  })
  return {
    announcements: [...updates, ...edges.flatMap(edge => edge.announcements)],
    ledgerEntryIds: stored.map(row => row.ledger_entry_id)
  }
}

const storeEdges = `update stock_items i set low = e.low, alert_sequence = e.alert_sequence
  from unnest($1::uuid[], $2::boolean[], $3::bigint[]) as e (variant_id, low, alert_sequence) where i.variant_id = e.variant_id`

type Net = { variantId: string; locationId: string; deltaOnHand: number; deltaReserved: number }

function netMovements(ledger: readonly LedgerRow[], kept: ReadonlySet<Level>): Net[] {
  const nets = new Map<string, Net>()
  for (const { variantId, locationId } of kept)
    nets.set(`${variantId} ${locationId}`, { variantId, locationId, deltaOnHand: 0, deltaReserved: 0 })
  for (const { variantId, locationId, deltaOnHand, deltaReserved } of ledger) {
    const place = `${variantId} ${locationId}`
    const net = nets.get(place) ?? { variantId, locationId, deltaOnHand: 0, deltaReserved: 0 }
    net.deltaOnHand += deltaOnHand
    net.deltaReserved += deltaReserved
    nets.set(place, net)
  }
  return [...nets.values()]
}
