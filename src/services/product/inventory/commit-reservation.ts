import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Transaction } from '#platform/database.ts'
import { checkVersion } from '#platform/etag.ts'
import type { Input } from '#platform/handlers.ts'
import { statusOf, toReservation } from './reservation.ts'
import { lockReservation } from './reservation-store.ts'
import { settleReservation } from './settle-reservation.ts'

/** The goods have left: they are taken off the books. A hold that expired is made again if the stock is still there. */
export async function commitReservation(
  tx: Transaction,
  { params, expected, actor, traceparent }: Input<typeof inventoryOperations.commitReservation>
): Promise<Reservation> {
  const { reservation, now } = await lockReservation(tx, params.reservationId)
  checkVersion(expected, reservation.version)
  const status = statusOf(reservation)
  if (status === 'committed') return toReservation(reservation)
  if (status !== 'reserved' && status !== 'expired') throw new Problem('illegal-transition', `The reservation is ${status}`)
  const cause = { actor: actor.subject, traceparent, ifGone: 'reservation-expired', at: now } as const
  return toReservation(await settleReservation(tx, reservation, { completed: true }, cause))
}
