import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { changeReservations } from './change-reservations.ts'
import { statusOf, toReservation } from './reservation.ts'

/** Orders are certain: their holds have no deadline any more. One that expired is made again if the stock is still there. */
export async function confirmReservation(
  tx: Transaction,
  inputs: readonly Input<typeof inventoryOperations.confirmReservation>[]
): Promise<(Reservation | Problem)[]> {
  return changeReservations(tx, inputs, (found, input) => {
    keepBefore(input, toReservation(found))
    const status = statusOf(found)
    if (status !== 'reserved' && status !== 'expired') return new Problem('illegal-transition', `The reservation is ${status}`)
    return { kind: 'news', news: { confirmed: true }, ifGone: 'reservation-expired' }
  })
}
