/** Reservations in the database. */
import { bigints, integers, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Queryable, Row, Transaction } from '#platform/postgres/database.ts'
import type { Item, Line, Status, StoredReservation } from './reservation.ts'

type ReservationRow = Row & {
  reservation_id: string
  order_id: string
  user_id: string | null
  status: Status
  ordered: boolean
  confirmed: boolean
  cancelled: boolean
  completed: boolean
  restocked: boolean
  items: Item[]
  expires_at: string | null
  lapsed: boolean
  reason: string | null
  version: number
  sequence: number
  created_at: string
  updated_at: string
}

const columns = `reservation_id, order_id, user_id, status, ordered, confirmed, cancelled, completed, restocked, items, expires_at,
  coalesce(status = 'reserved' and expires_at <= now(), false) as lapsed, reason, version, sequence, created_at, updated_at`

/** Reads reservations by a condition of our own on `reservations`, such as `where order_id = $1`. */
export async function readReservations(
  database: Queryable,
  condition: string,
  values: readonly unknown[]
): Promise<StoredReservation[]> {
  const rows = await database.query<ReservationRow>(`select ${columns} from reservations ${condition}`, values)
  return rows.map(row => ({
    reservationId: row.reservation_id,
    orderId: row.order_id,
    userId: row.user_id,
    status: row.status,
    ordered: row.ordered,
    confirmed: row.confirmed,
    cancelled: row.cancelled,
    completed: row.completed,
    restocked: row.restocked,
    items: row.items,
    expiresAt: row.expires_at,
    lapsed: row.lapsed,
    reason: row.reason,
    version: row.version,
    sequence: row.sequence,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }))
}

/** What is known of orders, locked until the transaction ends, and the time by the database's clock. */
export type LockedOrders = { known: Map<string, StoredReservation>; now: Date }

/** Locks orders in one order, whether or not they have a reservation yet; then reads their reservations. */
export async function lockOrders(tx: Transaction, orderIds: readonly string[]): Promise<LockedOrders> {
  // One round trip; the second statement begins when the locks are held, so it sees what their last holders committed.
  const [locks, reservations] = await Promise.all([
    tx.query<{ now: string }>(
      `select pg_advisory_xact_lock(hash), now() from (
         select distinct hashtextextended('order ' || order_id, 3) as hash from unnest($1::text[]) as o (order_id) order by hash
       ) hashes`,
      [orderIds]
    ),
    readReservations(tx, 'where order_id = any($1::text[]) order by reservation_id for update', [orderIds])
  ])
  return { known: new Map(reservations.map(reservation => [reservation.orderId, reservation])), now: new Date(locks[0]!.now) }
}

/** Where units are held. */
export async function readLines(database: Queryable, reservationIds: readonly string[]): Promise<Line[]> {
  if (reservationIds.length === 0) return []
  const rows = await database.query<{ reservation_id: string; variant_id: string; location_id: string; quantity: number }>(
    `select reservation_id, variant_id, location_id, quantity from reservation_lines where reservation_id = any($1::uuid[])
     order by reservation_id, variant_id, location_id`,
    [reservationIds]
  )
  return rows.map(row => ({
    reservationId: row.reservation_id,
    variantId: row.variant_id,
    locationId: row.location_id,
    quantity: row.quantity
  }))
}

/** Stores new reservations and new states of known ones, and the lines of those that hold something new. */
export function storeReservations(tx: Transaction, reservations: readonly StoredReservation[], lines: readonly Line[]): void {
  const added = reservations.filter(each => each.version === 1)
  const known = reservations.filter(each => each.version > 1)
  if (added.length > 0) tx.send(insert, columnsOf(added))
  if (known.length > 0) tx.send(update, columnsOf(known))
  if (lines.length === 0) return
  // A hold that is made again after it was lost may stand elsewhere: its former lines go.
  if (known.length > 0)
    tx.send('delete from reservation_lines where reservation_id = any($1::uuid[])', [lines.map(line => line.reservationId)])
  tx.send(
    `insert into reservation_lines (reservation_id, variant_id, location_id, quantity)
     select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[])`,
    [
      uuids(lines.map(line => line.reservationId)),
      uuids(lines.map(line => line.variantId)),
      uuids(lines.map(line => line.locationId)),
      bigints(lines.map(line => line.quantity))
    ]
  )
}

const names = `reservation_id, order_id, user_id, status, ordered, confirmed, cancelled, completed, restocked, items, expires_at, reason, version,
    sequence, created_at, updated_at`

const rows = `(select reservation_id, order_id, user_id, status, ordered::boolean, confirmed::boolean, cancelled::boolean, completed::boolean,
      restocked::boolean, items::jsonb, expires_at::timestamptz, reason, version, sequence, created_at::timestamptz, updated_at::timestamptz
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
      $11::text[], $12::text[], $13::integer[], $14::bigint[], $15::text[], $16::text[]) as t (${names})) n`

const insert = `insert into reservations (${names}) select * from ${rows}`

const update = `update reservations r set user_id = n.user_id, status = n.status, ordered = n.ordered, confirmed = n.confirmed,
    cancelled = n.cancelled, completed = n.completed, restocked = n.restocked, items = n.items, expires_at = n.expires_at,
    reason = n.reason, version = n.version, sequence = n.sequence, updated_at = n.updated_at
  from ${rows} where r.reservation_id = n.reservation_id`

function columnsOf(reservations: readonly StoredReservation[]): unknown[] {
  return [
    uuids(reservations.map(each => each.reservationId)),
    texts(reservations.map(each => each.orderId)),
    texts(reservations.map(each => each.userId)),
    texts(reservations.map(each => each.status)),
    texts(reservations.map(each => String(each.ordered))),
    texts(reservations.map(each => String(each.confirmed))),
    texts(reservations.map(each => String(each.cancelled))),
    texts(reservations.map(each => String(each.completed))),
    texts(reservations.map(each => String(each.restocked))),
    texts(reservations.map(each => JSON.stringify(each.items))),
    texts(reservations.map(each => each.expiresAt)),
    texts(reservations.map(each => each.reason)),
    integers(reservations.map(each => each.version)),
    bigints(reservations.map(each => each.sequence)),
    texts(reservations.map(each => each.createdAt)),
    texts(reservations.map(each => each.updatedAt))
  ]
}
