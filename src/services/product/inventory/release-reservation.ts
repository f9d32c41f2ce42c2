import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Transaction } from '#platform/database.ts'
import { checkVersion } from '#platform/etag.ts'
import type { Input } from '#platform/handlers.ts'
import { announceAll } from '#platform/outbox.ts'
import { end, tell } from './hold.ts'
import { changed, type StoredReservation, statusOf, toReservation } from './reservation.ts'
import { lockReservation, readLines, storeReservations } from './reservation-store.ts'
import { settleReservation } from './settle-reservation.ts'
import { openStockBook } from './stock-book.ts'

/** The order will not be fulfilled: its stock is free again. Of a committed one, `restock` says that its units came back. */
export async function releaseReservation(
  tx: Transaction,
  { params, body, expected, actor, traceparent }: Input<typeof inventoryOperations.releaseReservation>
): Promise<Reservation> {
  const { reservation, now } = await lockReservation(tx, params.reservationId)
  checkVersion(expected, reservation.version)
  const cause = { actor: actor.subject, traceparent, ifGone: 'illegal-transition', at: now } as const
  const status = statusOf(reservation)
  if (status === 'reserved' || reservation.lapsed) {
    return toReservation(await settleReservation(tx, reservation, { cancelled: true }, cause))
  }
  if (status === 'released' || status === 'expired') return toReservation(reservation)
  if (status === 'committed' && body.restock) return toReservation(await restock(tx, reservation, cause))
  throw new Problem('illegal-transition', `The reservation is ${status}`)
}

/** Once: what came back cannot come back again. */
async function restock(
  tx: Transaction,
  before: StoredReservation,
  cause: { actor: string; traceparent: string | undefined; at: Date }
): Promise<StoredReservation> {
  if (before.restocked) return before
  const reservation = changed(before, { restocked: true, reason: 'restocked', updatedAt: cause.at.toISOString() })
  const lines = await readLines(tx, [before.reservationId])
  const book = await openStockBook(
    tx,
    lines.map(line => line.variantId)
  )
  end(book, reservation, lines, 'restock', cause)
  const told = tell.released(reservation, 'restocked', cause)
  const updates = book.write(tx)
  storeReservations(tx, [reservation], [])
  announceAll(tx, [...updates, told])
  return reservation
}
