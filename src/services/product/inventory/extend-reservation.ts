import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Transaction } from '#platform/database.ts'
import { checkVersion } from '#platform/etag.ts'
import type { Input } from '#platform/handlers.ts'
import { changed, statusOf, toReservation } from './reservation.ts'
import { lockReservation, storeReservations } from './reservation-store.ts'

/** Moves the deadline of a hold, such as when payment begins. A confirmed hold has none, and gets none. */
export async function extendReservation(
  tx: Transaction,
  { params, body, expected }: Input<typeof inventoryOperations.extendReservation>
): Promise<Reservation> {
  const { reservation: before, now } = await lockReservation(tx, params.reservationId)
  checkVersion(expected, before.version)
  const status = statusOf(before)
  if (status === 'expired') throw new Problem('reservation-expired')
  if (status !== 'reserved' || before.confirmed) {
    throw new Problem(
      'illegal-transition',
      before.confirmed ? 'The reservation is confirmed and has no deadline' : `The reservation is ${status}`
    )
  }
  const expiresAt = new Date(now.getTime() + body.ttlSeconds * 1000).toISOString()
  const reservation = changed(before, { expiresAt, updatedAt: now.toISOString() })
  storeReservations(tx, [reservation], [])
  return toReservation(reservation)
}
