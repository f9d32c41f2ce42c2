/** Deadlines of holds: swept by a timer, and by whoever needs the stock, so that they hold with the timer stopped too. */

import { type Announcement, announceAll } from '#platform/messaging/outbox.ts'
import type { Database, Transaction } from '#platform/postgres/database.ts'
import { end, tell } from './hold.ts'
import { changed, type Line, type StoredReservation } from './reservation.ts'
import { readLines, readReservations, storeReservations } from './reservation-store.ts'
import { openStockBook, type StockBook } from './stock-book.ts'

const BATCH = 200

/** Ends the holds whose deadline has passed, a bounded number at a time. */
export async function expireReservations(database: Database): Promise<{ done: number; more: boolean }> {
  return database.transact(async tx => {
    const lapsed = await lockLapsed(tx, null)
    if (lapsed.reservations.length === 0) return { done: 0, more: false }
    const book = await openStockBook(tx, lapsed.variantIds)
    const { reservations, announcements } = releaseLapsed(book, lapsed)
    const updates = book.write(tx)
    storeReservations(tx, reservations, [])
    announceAll(tx, [...updates, ...announcements])
    return { done: reservations.length, more: reservations.length === BATCH }
  })
}

export type Lapsed = { reservations: StoredReservation[]; lines: Line[]; variantIds: string[] }

/**
 * Finds holds past their deadline, of some variants or of any, and locks them. One that is locked already is left to who locked it: waiting
 * for it here would be a second order of locks.
 */
export async function lockLapsed(tx: Transaction, variantIds: readonly string[] | null): Promise<Lapsed> {
  const reservations = await readReservations(
    tx,
    `where status = 'reserved' and expires_at <= now() and ($1::uuid[] is null or exists (
       select from reservation_lines l where l.reservation_id = reservations.reservation_id and l.variant_id = any($1)
     )) order by expires_at limit ${BATCH} for update skip locked`,
    [variantIds]
  )
  const lines = await readLines(
    tx,
    reservations.map(reservation => reservation.reservationId)
  )
  return { reservations, lines, variantIds: [...new Set(lines.map(line => line.variantId))] }
}

/** Gives back what lapsed holds held, in a book that has locked their variants. */
export function releaseLapsed(
  book: StockBook,
  lapsed: Lapsed
): { reservations: StoredReservation[]; announcements: Announcement[] } {
  const cause = { actor: 'expiry' }
  const announcements: Announcement[] = []
  const reservations = lapsed.reservations.map(before => {
    const reservation = changed(before, { status: 'expired', reason: 'expired' })
    end(
      book,
      reservation,
      lapsed.lines.filter(line => line.reservationId === reservation.reservationId),
      'expire',
      cause
    )
    announcements.push(tell.expired(reservation))
    return reservation
  })
  return { reservations, announcements }
}
