import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { changeReservations } from './change-reservations.ts'
import { statusOf, toReservation } from './reservation.ts'

/** Moves the deadline of holds, such as when payment begins. A confirmed hold has none, and gets none. */
export async function extendReservation(
  tx: Transaction,
  inputs: readonly Input<typeof inventoryOperations.extendReservation>[]
): Promise<(Reservation | Problem)[]> {
  return changeReservations(tx, inputs, (found, input) => {
    keepBefore(input, toReservation(found))
    const status = statusOf(found)
    if (status === 'expired') return new Problem('reservation-expired')
    if (status !== 'reserved') return new Problem('illegal-transition', `The reservation is ${status}`)
    if (found.confirmed) return new Problem('illegal-transition', 'The reservation is confirmed and has no deadline')
    return { kind: 'deadline', ttlSeconds: input.body.ttlSeconds }
  })
}
