/**
 * Moves reservations to where the facts about their orders ask them to be. Callers' commands and events take this one road, so the final
 * state is a function of the set of things said, whatever their order. Written for a list of changes that share a transaction, handled in
 * their order, also those of one reservation; a single event is a list of one.
 */
import { Problem } from '#contracts/problems.ts'
import { type Announcement, announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type Lapsed, lockLapsed, releaseLapsed } from './expire-reservations.ts'
import type { Cause } from './hold.ts'
import type { Line, StoredReservation } from './reservation.ts'
import { type LockedOrders, readLines, storeReservations } from './reservation-store.ts'
import { type Asked, holdsAgain, movesUnits, settle } from './settle.ts'
import { isVariantId } from './stock.ts'
import { openStockBook, type StockBook } from './stock-book.ts'

/** What somebody wants of an order's reservation; `ask` is put to it as it is when its turn comes. */
export type Change = Cause & { orderId: string; ask(found: StoredReservation): Asked | Problem }

/** The levels of some variants, locked, and where the units of some reservations are held. */
export type Holds = { book: StockBook; variantIds: ReadonlySet<string>; lines: Map<string, readonly Line[]> }

/** Locks the levels of all that reservations name. */
export async function openHolds(
  tx: Transaction,
  reservations: readonly StoredReservation[],
  lapsedVariantIds: readonly string[] = []
): Promise<Holds> {
  const variantIds = new Set([...variantIdsOf(reservations), ...lapsedVariantIds])
  const [book, lines] = await Promise.all([
    openStockBook(tx, [...variantIds]),
    readLines(
      tx,
      reservations.map(each => each.reservationId)
    )
  ])
  return { book, variantIds, lines: Map.groupBy(lines, line => line.reservationId) }
}

/**
 * One result per change, in their order: the reservation as it then is, or the problem that the change meets; one that does leaves nothing.
 * A hold that was lost is made again if the stock is still there. The orders, each with a reservation, are locked; `opened` are the holds
 * of them that the caller has opened, in the same round trip perhaps.
 */
export async function settleReservations(
  tx: Transaction,
  { known, now }: LockedOrders,
  changes: readonly Change[],
  opened?: Holds
): Promise<(StoredReservation | Problem)[]> {
  const { moving, asking, again } = foreseen(known, changes)
  // Only a hold that is to be made again needs the stock of others' lapsed ones.
  const lapsed = again.length > 0 ? without(await lockLapsed(tx, variantIdsOf(again)), asking) : nothingLapsed
  const needed = [...variantIdsOf(moving), ...lapsed.variantIds]
  const isOpen = moving.length === 0 || (opened && needed.every(variantId => opened.variantIds.has(variantId)))
  const holds = isOpen ? opened : await openHolds(tx, moving, lapsed.variantIds)
  const stored = new Map<string, StoredReservation>()
  const newLines = new Map<string, readonly Line[]>()
  const announcements: Announcement[] = []
  const keep = (reservation: StoredReservation) => {
    stored.set(reservation.reservationId, reservation)
    known.set(reservation.orderId, reservation)
  }

  if (holds) {
    const released = releaseLapsed(holds.book, lapsed)
    released.reservations.forEach(keep)
    announcements.push(...released.announcements)
  }
  const results = changes.map(change => {
    const before = known.get(change.orderId)!
    const asked = change.ask(before)
    if (asked instanceof Problem) return asked
    const settled = settle(holds, before, asked, change, now)
    if (settled instanceof Problem) return settled
    if (settled.reservation === before) return before
    keep(settled.reservation)
    if (settled.lines) {
      newLines.set(before.reservationId, settled.lines)
      holds?.lines.set(before.reservationId, settled.lines)
    }
    announcements.push(...settled.announcements)
    return settled.reservation
  })

  const updates = holds?.book.write(tx) ?? []
  storeReservations(tx, [...stored.values()], [...newLines.values()].flat())
  announceAll(tx, [...updates, ...announcements])
  return results
}

/** What the changes come to if each is put to its reservation as it is now. */
function foreseen(known: ReadonlyMap<string, StoredReservation>, changes: readonly Change[]) {
  const moving = new Set<StoredReservation>()
  const asking = new Set<string>()
  const again = new Set<StoredReservation>()
  for (const change of changes) {
    const before = known.get(change.orderId)!
    const asked = change.ask(before)
    if (asked instanceof Problem) continue
    asking.add(before.reservationId)
    if (movesUnits(before, asked)) moving.add(before)
    if (holdsAgain(before, asked)) again.add(before)
  }
  return { moving: [...moving], asking, again: [...again] }
}

const nothingLapsed: Lapsed = { reservations: [], lines: [], variantIds: [] }

/** A lapsed hold that something is asked of, here, is not taken from it: it counts as the earlier. */
function without({ reservations, lines }: Lapsed, asking: ReadonlySet<string>): Lapsed {
  const left = lines.filter(line => !asking.has(line.reservationId))
  return {
    reservations: reservations.filter(each => !asking.has(each.reservationId)),
    lines: left,
    variantIds: [...new Set(left.map(line => line.variantId))]
  }
}

function variantIdsOf(reservations: readonly StoredReservation[]): string[] {
  return reservations.flatMap(each => each.items.map(item => item.variantId)).filter(isVariantId)
}
