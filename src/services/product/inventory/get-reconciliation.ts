import type { Reconciliation } from '#contracts/resources/inventory.ts'
import type { Reading } from '#platform/http/handlers.ts'
import type { Row } from '#platform/postgres/database.ts'

type Sums = Row & { checked_at: string; levels: number; drift: number; oversold: number; data: Reconciliation['data'] }

const LEVELS_SHOWN = 100

/** Recomputes every counter from the ledger and from the open reservations, in one snapshot, and names those that differ. */
export async function getReconciliation({ database }: Reading): Promise<Reconciliation> {
  const [row] = await database.query<Sums>(
    `with by_ledger as (
       select variant_id, location_id, sum(delta_on_hand) as on_hand, sum(delta_reserved) as reserved
       from stock_ledger group by variant_id, location_id
     ), by_reservation as (
       select variant_id, location_id, sum(quantity) as reserved
       from reservations join reservation_lines using (reservation_id) where status = 'reserved' group by variant_id, location_id
     ), compared as (
       select variant_id, location_id, coalesce(s.on_hand, 0) as on_hand, coalesce(l.on_hand, 0) as on_hand_by_ledger,
         coalesce(s.reserved, 0) as reserved, coalesce(l.reserved, 0) as reserved_by_ledger, coalesce(r.reserved, 0) as reserved_by_reservations
       from stock_levels s full join by_ledger l using (variant_id, location_id) full join by_reservation r using (variant_id, location_id)
     ), drifted as (
       select * from compared where on_hand <> on_hand_by_ledger or reserved <> reserved_by_ledger or reserved <> reserved_by_reservations
     )
     select now() as checked_at, (select count(*) from stock_levels) as levels, (select count(*) from drifted) as drift,
       (select coalesce(sum(greatest(reserved - on_hand, 0)), 0)::bigint from compared) as oversold,
       (select coalesce(json_agg(json_build_object('variantId', variant_id, 'locationId', location_id, 'onHand', on_hand,
          'onHandByLedger', on_hand_by_ledger, 'reserved', reserved, 'reservedByLedger', reserved_by_ledger,
          'reservedByReservations', reserved_by_reservations)), '[]') from (select * from drifted order by variant_id, location_id limit ${LEVELS_SHOWN}) d) as data`
  )
  return { checkedAt: row!.checked_at, levels: row!.levels, drift: row!.drift, oversold: row!.oversold, data: row!.data }
}
