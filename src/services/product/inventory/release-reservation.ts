import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { changeReservations } from './change-reservations.ts'
import { statusOf } from './reservation.ts'

/** Orders will not be fulfilled: their stock is free again. Of a committed one, `restock` says that its units came back. */
export async function releaseReservation(
  tx: Transaction,
  inputs: readonly Input<typeof inventoryOperations.releaseReservation>[]
): Promise<(Reservation | Problem)[]> {
  return changeReservations(tx, inputs, (found, { body }) => {
    const status = statusOf(found)
    if (status === 'reserved' || found.lapsed) return { kind: 'news', news: { cancelled: true }, ifGone: 'illegal-transition' }
    if (status === 'released' || status === 'expired') return { kind: 'nothing' }
    if (status === 'committed' && body.restock) return { kind: 'restock' }
    return new Problem('illegal-transition', `The reservation is ${status}`)
  })
}
