/**
 * Moves a reservation to where the facts about its order ask it to be. Callers' commands and events take this one road, so the final state
 * is a function of the set of things said, whatever their order.
 */
import { Problem, type ProblemCode } from '#contracts/problems.ts'
import type { Transaction } from '#platform/database.ts'
import { type Announcement, announceAll } from '#platform/outbox.ts'
import { lockLapsed, releaseLapsed } from './expire-reservations.ts'
import { type Cause, end, hold, tell } from './hold.ts'
import { changed, type Facts, type Line, outcomeOf, type StoredReservation } from './reservation.ts'
import { readLines, storeReservations } from './reservation-store.ts'
import { isVariantId } from './stock.ts'
import { openStockBook, type StockBook } from './stock-book.ts'

export type News = Partial<Pick<Facts, 'confirmed' | 'cancelled' | 'completed'>>

/**
 * Adds what is news and settles the reservation, which the caller has locked. A hold that was lost is made again if the stock is still
 * there; otherwise `ifGone` is thrown and nothing is changed.
 */
export async function settleReservation(
  tx: Transaction,
  before: StoredReservation,
  news: News,
  cause: Cause & { ifGone: ProblemCode; at: Date }
): Promise<StoredReservation> {
  const facts = { ...before, ...news }
  if (facts.confirmed === before.confirmed && facts.cancelled === before.cancelled && facts.completed === before.completed)
    return before
  const reservation = changed(before, { ...news, updatedAt: cause.at.toISOString() })
  if (!before.ordered) {
    reservation.status = outcomeOf(reservation)
    storeReservations(tx, [reservation], [])
    return reservation
  }
  const variantIds = before.items.map(item => item.variantId).filter(isVariantId)
  // Only a hold that is to be made again needs the stock of others' lapsed ones.
  const lapsed = before.status === 'reserved' ? undefined : await lockLapsed(tx, variantIds)
  const [book, lines] = await Promise.all([
    openStockBook(tx, [...variantIds, ...(lapsed?.variantIds ?? [])]),
    readLines(tx, [before.reservationId])
  ])
  const released = lapsed ? releaseLapsed(book, lapsed) : { reservations: [], announcements: [] }
  const settled = settle(book, reservation, before, lines, cause)
  const updates = book.write(tx)
  storeReservations(tx, [...released.reservations, reservation], settled.lines)
  announceAll(tx, [...updates, ...released.announcements, ...settled.announcements])
  return reservation
}

type Settled = { lines: Line[]; announcements: Announcement[] }
const nothing: Settled = { lines: [], announcements: [] }

function settle(
  book: StockBook,
  reservation: StoredReservation,
  before: StoredReservation,
  lines: readonly Line[],
  cause: Cause & { ifGone: ProblemCode }
): Settled {
  const held = before.status === 'reserved'
  const outcome = outcomeOf(reservation)
  if (outcome === 'released') return held ? release(book, reservation, lines, cause) : nothing
  if (outcome === 'reserved') {
    // News of a confirmed order: its hold loses its deadline, and is made again if it had lapsed.
    reservation.expiresAt = null
    if (held || before.status === 'rejected') return nothing
    const again = heldAgain(book, reservation, cause, 'reserve')
    reservation.status = 'reserved'
    reservation.reason = null
    return { lines: again, announcements: [tell.reserved(reservation, cause)] }
  }
  if (before.status === 'committed') return nothing
  const taken = held ? undefined : heldAgain(book, reservation, cause, 'commit')
  if (held) end(book, reservation, lines, 'commit', cause)
  reservation.status = 'committed'
  reservation.reason = null
  reservation.expiresAt = null
  return { lines: taken ?? [], announcements: [tell.committed(reservation, cause)] }
}

function release(book: StockBook, reservation: StoredReservation, lines: readonly Line[], cause: Cause): Settled {
  end(book, reservation, lines, 'release', cause)
  reservation.status = 'released'
  reservation.reason = 'cancelled'
  reservation.expiresAt = null
  return { lines: [], announcements: [tell.released(reservation, 'cancelled', cause)] }
}

function heldAgain(
  book: StockBook,
  reservation: StoredReservation,
  cause: Cause & { ifGone: ProblemCode },
  kind: 'reserve' | 'commit'
): Line[] {
  const lines = hold(book, reservation, cause, kind)
  if (!(lines instanceof Problem)) return lines
  throw new Problem(cause.ifGone, undefined, { reservationId: reservation.reservationId, ...lines.extensions })
}
