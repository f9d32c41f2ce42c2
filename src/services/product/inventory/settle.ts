/** One change of one reservation, its units moved in a stock book. No database: what is moved is written later. */
import { Problem, type ProblemCode } from '#contracts/problems.ts'
import { QUANTITY_MAX } from '#contracts/resources/primitives.ts'
import type { Announcement } from '#platform/messaging/outbox.ts'
import { type Cause, end, hold, tell } from './hold.ts'
import { changed, type Facts, type Line, outcomeOf, type StoredReservation } from './reservation.ts'
import type { StockBook } from './stock-book.ts'

export type News = Partial<Pick<Facts, 'confirmed' | 'cancelled' | 'completed'>>

/**
 * What is asked of a reservation: nothing; that something is known of its order, and what to answer if stock that it asks for is gone; another
 * deadline; or that what had left is back on the shelf.
 */
export type Asked =
  | { kind: 'nothing' }
  | { kind: 'news'; news: News; ifGone: ProblemCode }
  | { kind: 'deadline'; ttlSeconds: number }
  | { kind: 'restock' }

/** `lines`: where its units are held from now on, when they are held anew. The same reservation as before: nothing has changed. */
export type Settled = { reservation: StoredReservation; lines?: Line[]; announcements: Announcement[] }

type Books = { book: StockBook; lines: ReadonlyMap<string, readonly Line[]> }

/** Makes the change, or says why not: then nothing was moved. Whatever moves units needs the books. */
export function settle(
  books: Books | undefined,
  before: StoredReservation,
  asked: Asked,
  cause: Cause,
  now: Date
): Settled | Problem {
  const unchanged = { reservation: before, announcements: [] }
  const updatedAt = now.toISOString()
  switch (asked.kind) {
    case 'nothing':
      return unchanged
    case 'deadline': {
      const expiresAt = new Date(now.getTime() + asked.ttlSeconds * 1000).toISOString()
      return { reservation: changed(before, { expiresAt, updatedAt }), announcements: [] }
    }
    case 'restock':
      // Once: what came back cannot come back again.
      return before.restocked ? unchanged : restock(books!, before, cause, updatedAt)
    case 'news':
      return isNews(before, asked.news) ? learn(books, before, asked, cause, updatedAt) : unchanged
  }
}

/** Whether a change moves units, made or given back, or may. */
export function movesUnits(before: StoredReservation, asked: Asked): boolean {
  if (asked.kind === 'restock') return !before.restocked
  if (asked.kind !== 'news' || !before.ordered || !isNews(before, asked.news)) return false
  return !(before.status === 'reserved' && outcomeOf({ ...before, ...asked.news }) === 'reserved')
}

/** Whether units that are held no more must be found again. */
export function holdsAgain(before: StoredReservation, asked: Asked): boolean {
  if (asked.kind !== 'news' || !movesUnits(before, asked)) return false
  return before.status !== 'reserved' && outcomeOf({ ...before, ...asked.news }) !== 'released'
}

function isNews(before: StoredReservation, news: News): boolean {
  return Object.entries(news).some(([fact, known]) => before[fact as keyof News] !== known)
}

function learn(
  books: Books | undefined,
  before: StoredReservation,
  { news, ifGone }: Extract<Asked, { kind: 'news' }>,
  cause: Cause,
  updatedAt: string
): Settled | Problem {
  const reservation = changed(before, { ...news, updatedAt })
  const outcome = outcomeOf(reservation)
  const held = before.status === 'reserved'
  const settled = { reservation, announcements: [] }
  if (!before.ordered) {
    reservation.status = outcome
    return settled
  }
  const lines = books?.lines.get(before.reservationId) ?? []
  if (outcome === 'released') return held ? release(books!.book, reservation, lines, cause) : settled
  // News of a confirmed order: its hold loses its deadline, and is made again if it had lapsed.
  reservation.expiresAt = null
  if (before.status === (outcome === 'committed' ? 'committed' : 'rejected') || (held && outcome === 'reserved')) return settled
  const again = held ? undefined : hold(books!.book, reservation, cause, outcome === 'committed' ? 'commit' : 'reserve')
  if (again instanceof Problem)
    return new Problem(ifGone, undefined, { reservationId: reservation.reservationId, ...again.extensions })
  if (held) end(books!.book, reservation, lines, 'commit', cause)
  reservation.status = outcome as 'reserved' | 'committed'
  reservation.reason = null
  const told = outcome === 'committed' ? tell.committed(reservation, cause) : tell.reserved(reservation, cause)
  return { reservation, ...(again && { lines: again }), announcements: [told] }
}

function release(book: StockBook, reservation: StoredReservation, lines: readonly Line[], cause: Cause): Settled {
  end(book, reservation, lines, 'release', cause)
  reservation.status = 'released'
  reservation.reason = 'cancelled'
  reservation.expiresAt = null
  return { reservation, announcements: [tell.released(reservation, 'cancelled', cause)] }
}

function restock({ book, lines: linesOf }: Books, before: StoredReservation, cause: Cause, updatedAt: string): Settled | Problem {
  const lines = linesOf.get(before.reservationId) ?? []
  const full = lines.find(line => (levelOf(book, line)?.onHand ?? 0) + line.quantity > QUANTITY_MAX)
  if (full) return new Problem('quantity-overflow', undefined, { variantId: full.variantId })
  const reservation = changed(before, { restocked: true, reason: 'restocked', updatedAt })
  end(book, reservation, lines, 'restock', cause)
  return { reservation, announcements: [tell.released(reservation, 'restocked', cause)] }
}

function levelOf(book: StockBook, { variantId, locationId }: Line) {
  return book.item(variantId)?.levels.find(level => level.locationId === locationId)
}
