/** The ledger that explains every counter. */
import type { LedgerEntry } from '#contracts/resources/inventory.ts'
import type { Actor } from '#platform/identity/actor.ts'
import type { Queryable, Row } from '#platform/postgres/database.ts'

type LedgerRow = Row & {
  ledger_entry_id: number
  variant_id: string
  location_id: string
  kind: string
  delta_on_hand: number
  delta_reserved: number
  on_hand_after: number
  reserved_after: number
  reason: string | null
  note: string | null
  order_id: string | null
  actor: string
  at: string
}

/** Whom an entry names: of stock the ledger is the audit, so it tells the client that somebody used, and who acted for whom. */
export function ledgerActorOf({ subject, clientId, userId, act }: Actor): string {
  if (subject === clientId && userId === undefined && act === undefined) return subject
  const via = clientId === subject ? '' : ` via ${clientId}`
  const forUser = userId === undefined || userId === subject ? '' : ` for ${userId}`
  return `${subject}${via}${forUser}${act === undefined ? '' : ` by ${act}`}`
}

/** Reads entries by a condition of our own on `stock_ledger`. */
export async function readLedgerEntries(
  database: Queryable,
  condition: string,
  values: readonly unknown[]
): Promise<LedgerEntry[]> {
  const rows = await database.query<LedgerRow>(`select * from stock_ledger ${condition}`, values)
  return rows.map(row => ({
    ledgerEntryId: row.ledger_entry_id,
    variantId: row.variant_id,
    locationId: row.location_id,
    kind: row.kind,
    deltaOnHand: row.delta_on_hand,
    deltaReserved: row.delta_reserved,
    onHandAfter: row.on_hand_after,
    reservedAfter: row.reserved_after,
    reason: row.reason,
    note: row.note,
    orderId: row.order_id,
    actor: row.actor,
    at: row.at
  }))
}
