/** What was moved in a stock book, as what is stored and what is announced. */
import { InventoryUpdated } from '#contracts/events/inventory-events.ts'
import { type Announcement, announcement } from '#platform/messaging/outbox.ts'
import { bigints, texts, uuids } from '#platform/postgres/arrays.ts'
import { edgesOf } from './low-stock.ts'
import { availableAt, type LedgerRow, type Level, type StockItem } from './stock.ts'

/** Counters and ledger in one statement: neither changes without the other. */
export const store = `with moved as (
    select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
      as m (variant_id, location_id, delta_on_hand, delta_reserved, safety_stock)
  ), updated as (
    update stock_levels l
    set on_hand = l.on_hand + m.delta_on_hand, reserved = l.reserved + m.delta_reserved, safety_stock = m.safety_stock, version = l.version + 1
    from moved m where l.variant_id = m.variant_id and l.location_id = m.location_id
  )
  insert into stock_ledger (variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after, reserved_after, reason, note, order_id, actor)
  select e.variant_id, e.location_id, e.kind, e.delta_on_hand, e.delta_reserved, e.on_hand_after, e.reserved_after, e.reason, e.note, e.order_id, e.actor
  from unnest($6::uuid[], $7::uuid[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[])
    with ordinality as e (variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after, reserved_after, reason, note, order_id, actor, place)
  order by e.place
  returning ledger_entry_id`

export const storeEdges = `update stock_items i set low = e.low, alert_sequence = e.alert_sequence
  from unnest($1::uuid[], $2::boolean[], $3::bigint[]) as e (variant_id, low, alert_sequence) where i.variant_id = e.variant_id`

/** The values of `store` and `storeEdges`, undefined where there is nothing to store, and the events in their order. */
export type StockChanges = { stored: unknown[] | undefined; edges: unknown[] | undefined; announcements: Announcement[] }

/** `kept` are levels whose availability changed without their counters. */
export function stockChanges(
  items: ReadonlyMap<string, StockItem>,
  byPlace: ReadonlyMap<string, Level>,
  ledger: readonly LedgerRow[],
  kept: ReadonlySet<Level>
): StockChanges {
  const nets = netMovements(ledger, kept)
  const edges = [...items.values()].map(edgesOf).filter(edge => edge !== undefined)
  const levelOf = ({ variantId, locationId }: Net) => byPlace.get(`${variantId} ${locationId}`)!
  const updates = nets.map(net => {
    const level = levelOf(net)
    level.version += 1
    return inventoryUpdated(items.get(net.variantId)!.productId, level, net)
  })
  return {
    stored: nets.length === 0 ? undefined : [...columnsOf(nets, levelOf), ...columnsOfLedger(ledger)],
    edges:
      edges.length === 0
        ? undefined
        : [edges.map(edge => edge.variantId), edges.map(edge => edge.low), edges.map(edge => edge.alertSequence)],
    announcements: [...updates, ...edges.flatMap(edge => edge.announcements)]
  }
}

/** Tells what a level has become, and by how much. */
export function inventoryUpdated(
  productId: string,
  level: Level,
  { deltaOnHand, deltaReserved }: Pick<Net, 'deltaOnHand' | 'deltaReserved'>
): Announcement {
  const { variantId, locationId, onHand, reserved, version } = level
  return announcement(
    InventoryUpdated,
    { productId, variantId, locationId, onHand, reserved, availableQuantity: availableAt(level), deltaOnHand, deltaReserved },
    version
  )
}

function columnsOf(nets: readonly Net[], levelOf: (net: Net) => Level): unknown[] {
  return [
    uuids(nets.map(net => net.variantId)),
    uuids(nets.map(net => net.locationId)),
    bigints(nets.map(net => net.deltaOnHand)),
    bigints(nets.map(net => net.deltaReserved)),
    bigints(nets.map(net => levelOf(net).safetyStock))
  ]
}

function columnsOfLedger(ledger: readonly LedgerRow[]): unknown[] {
  return [
    uuids(ledger.map(row => row.variantId)),
    uuids(ledger.map(row => row.locationId)),
    texts(ledger.map(row => row.kind)),
    bigints(ledger.map(row => row.deltaOnHand)),
    bigints(ledger.map(row => row.deltaReserved)),
    bigints(ledger.map(row => row.onHandAfter)),
    bigints(ledger.map(row => row.reservedAfter)),
    texts(ledger.map(row => row.reason)),
    texts(ledger.map(row => row.note)),
    texts(ledger.map(row => row.orderId)),
    texts(ledger.map(row => row.actor))
  ]
}

type Net = { variantId: string; locationId: string; deltaOnHand: number; deltaReserved: number }

function netMovements(ledger: readonly LedgerRow[], kept: ReadonlySet<Level>): Net[] {
  const nets = new Map<string, Net>()
  const netAt = (variantId: string, locationId: string): Net => {
    const place = `${variantId} ${locationId}`
    const net = nets.get(place) ?? { variantId, locationId, deltaOnHand: 0, deltaReserved: 0 }
    nets.set(place, net)
    return net
  }
  for (const { variantId, locationId } of kept) netAt(variantId, locationId)
  for (const { variantId, locationId, deltaOnHand, deltaReserved } of ledger) {
    const net = netAt(variantId, locationId)
    net.deltaOnHand += deltaOnHand
    net.deltaReserved += deltaReserved
  }
  return [...nets.values()]
}
