import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { changeReservations } from './change-reservations.ts'
import { statusOf } from './reservation.ts'

/** The goods have left: they are taken off the books. A hold that expired is made again if the stock is still there. */
export async function commitReservation(
  tx: Transaction,
  inputs: readonly Input<typeof inventoryOperations.commitReservation>[]
): Promise<(Reservation | Problem)[]> {
  return changeReservations(tx, inputs, found => {
    const status = statusOf(found)
    if (status === 'committed') return { kind: 'nothing' }
    if (status !== 'reserved' && status !== 'expired') return new Problem('illegal-transition', `The reservation is ${status}`)
    return { kind: 'news', news: { completed: true }, ifGone: 'reservation-expired' }
  })
}
