import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { ledgerActorOf } from './ledger.ts'
import { toReservation } from './reservation.ts'
import { reserveStock } from './reserve-stock.ts'

/** Holds stock for the orders of callers that wait at the same moment. */
export async function createReservation(
  tx: Transaction,
  inputs: readonly Input<typeof inventoryOperations.createReservation>[]
): Promise<(Reservation | Problem)[]> {
  const results = await reserveStock(
    tx,
    inputs.map(({ body, actor, traceparent }) => ({
      orderId: body.orderId,
      userId: body.userId ?? null,
      items: body.items,
      ttlSeconds: body.ttlSeconds ?? null,
      from: 'caller',
      actor: ledgerActorOf(actor),
      traceparent
    }))
  )
  return results.map(result => (result instanceof Problem ? result : toReservation(result)))
}
