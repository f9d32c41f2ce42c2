/** The Product Service's answer to an order. Only a pending order takes one: a late, second or foreign answer changes nothing. */

import type { EventOf } from '#contracts/envelope.ts'
import type { InventoryReservationFailed, InventoryReserved } from '#contracts/events/inventory-events.ts'
import type { Transaction } from '#platform/postgres/database.ts'

export function acceptOrder(tx: Transaction, { orderId }: EventOf<typeof InventoryReserved>): Promise<unknown> {
  return answer(tx, orderId, 'confirmed', null)
}

export function rejectOrder(tx: Transaction, { orderId, reason }: EventOf<typeof InventoryReservationFailed>): Promise<unknown> {
  return answer(tx, orderId, 'rejected', reason)
}

function answer(tx: Transaction, orderId: string, status: 'confirmed' | 'rejected', reason: string | null): Promise<unknown> {
  return tx.query(
    `update orders set status = $2, reason = $3, version = version + 1, updated_at = now()
     where order_id = $1 and status = 'pending'`,
    [orderId, status, reason]
  )
}
