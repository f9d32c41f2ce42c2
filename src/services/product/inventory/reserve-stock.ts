/**
 * Holds stock for orders, all of an order or nothing, first come first served. Written for a list of requests that share a transaction;
 * a single OrderCreated is a list of one.
 */
import { InventoryReservationFailed } from '#contracts/events/inventory-events.ts'
import { Problem } from '#contracts/problems.ts'
import { newId } from '#platform/id.ts'
import { type Announcement, announceAll, announcement } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockLapsed, releaseLapsed } from './expire-reservations.ts'
import { type Cause, end, hold, tell } from './hold.ts'
import { changed, type Line, nothingKnown, outcomeOf, type StoredReservation, statusOf } from './reservation.ts'
import { lockOrders, storeReservations } from './reservation-store.ts'
import { isVariantId, mergeItems } from './stock.ts'
import { openStockBook, type StockBook } from './stock-book.ts'

type RequestedItem = { productId?: string; variantId: string; quantity: number }

export type ReservationRequest = Cause & {
  orderId: string
  userId: string | null
  items: readonly RequestedItem[]
  ttlSeconds: number | null
  /** An event cannot be answered: its refusal is stored and announced. A caller is told, and may try again. */
  from: 'caller' | 'event'
}

/** One result per request, in their order: its reservation, or the problem that it meets. */
export async function reserveStock(
  tx: Transaction,
  requests: readonly ReservationRequest[]
): Promise<(StoredReservation | Problem)[]> {
  const orderIds = requests.map(request => request.orderId)
  const merged = requests.map(request => mergeItems(request.items))
  const variantIds = merged.flatMap(items => items.map(item => item.variantId)).filter(isVariantId)
  // Sent together and run in this order: orders are locked before levels.
  const [{ known, now }, lapsed, wanted] = await Promise.all([
    lockOrders(tx, orderIds),
    lockLapsed(tx, variantIds),
    openStockBook(tx, variantIds)
  ])
  // A lapsed hold of other variants as well needs their levels too. Rare, since holds are swept: should two such lock in opposite
  // orders, one of them is run again.
  const book = lapsed.variantIds.some(isMissing(variantIds))
    ? await openStockBook(tx, [...variantIds, ...lapsed.variantIds])
    : wanted
  const released = releaseLapsed(book, lapsed)
  const decisions: Decision[] = []

  const results = requests.map((request, index) => {
    const items = merged[index]!
    const before = known.get(request.orderId)
    if (before?.ordered) return answerAgain(before, request, items)
    const decision = decide(book, drafted(before, request, items, book, now), request)
    if (decision instanceof Problem) return decision
    decisions.push(decision)
    known.set(request.orderId, decision.reservation)
    return decision.reservation
  })

  const reservations = [...released.reservations, ...decisions.map(decision => decision.reservation)]
  const lines = decisions.flatMap(decision => decision.lines)
  const updates = book.write(tx)
  storeReservations(tx, reservations, lines)
  announceAll(tx, [...updates, ...released.announcements, ...decisions.flatMap(decision => decision.announcements)])
  return results
}

const isMissing = (known: readonly string[]) => (variantId: string) => !known.includes(variantId)

/** The same order with the same items again: the same reservation. With other items: refused, never merged. */
function answerAgain(
  before: StoredReservation,
  request: ReservationRequest,
  items: readonly RequestedItem[]
): StoredReservation | Problem {
  const { reservationId } = before
  const same =
    before.items.length === items.length &&
    before.items.every((item, index) => item.variantId === items[index]!.variantId && item.quantity === items[index]!.quantity)
  if (!same) return new Problem('conflicting-reservation', undefined, { reservationId })
  const status = statusOf(before)
  if (request.from === 'event' || status === 'reserved' || status === 'committed') return before
  return new Problem('illegal-transition', `The reservation of this order is ${status}`, { reservationId })
}

/** The reservation as it will be if its stock can be held. What came before its order is remembered. */
function drafted(
  before: StoredReservation | undefined,
  { orderId, userId, ttlSeconds }: ReservationRequest,
  items: readonly RequestedItem[],
  book: StockBook,
  now: Date
): StoredReservation {
  const at = now.toISOString()
  const blank: StoredReservation = {
    reservationId: newId(),
    orderId,
    userId,
    status: 'reserved',
    ...nothingKnown,
    restocked: false,
    items: [],
    expiresAt: null,
    lapsed: false,
    reason: null,
    version: 0,
    sequence: 0,
    createdAt: at,
    updatedAt: at
  }
  return changed(before ?? blank, {
    status: 'reserved',
    userId,
    ordered: true,
    items: items.map(({ variantId, productId, quantity }) => ({
      productId: productId ?? book.item(variantId)?.productId ?? 'unknown',
      variantId,
      quantity
    })),
    expiresAt: ttlSeconds === null || before?.confirmed ? null : new Date(now.getTime() + ttlSeconds * 1000).toISOString(),
    updatedAt: at
  })
}

type Decision = { reservation: StoredReservation; lines: Line[]; announcements: Announcement[] }

function decide(book: StockBook, reservation: StoredReservation, request: ReservationRequest): Decision | Problem {
  const outcome = outcomeOf(reservation)
  if (outcome === 'released') {
    if (request.from === 'caller') return new Problem('order-already-cancelled')
    return refused({ ...reservation, status: 'released', reason: 'cancelled' }, 'ORDER_ALREADY_CANCELLED', request)
  }
  const lines = hold(book, reservation, request)
  if (lines instanceof Problem) {
    if (outcome === 'committed') return new Problem('commit-refused', undefined, lines.extensions)
    if (request.from === 'caller') return lines
    const reason = reasons[lines.code] ?? 'INSUFFICIENT_STOCK'
    return refused({ ...reservation, status: 'rejected', reason }, reason, request, lines.extensions.shortages as never)
  }
  const announcements = [tell.reserved(reservation, request)]
  if (outcome === 'committed') {
    end(book, reservation, lines, 'commit', request)
    reservation.status = 'committed'
    reservation.expiresAt = null
    announcements.push(tell.committed(reservation, request))
  }
  return { reservation, lines, announcements }
}

const reasons: Record<string, string> = { 'reference-not-found': 'UNKNOWN_VARIANT', 'not-sellable': 'NOT_SELLABLE' }

/** A refusal that others must act on is an event. */
function refused(reservation: StoredReservation, reason: string, request: ReservationRequest, shortages: never[] = []): Decision {
  const { reservationId, orderId } = reservation
  reservation.sequence++
  const data = { reservationId, orderId, reason, shortages }
  return {
    reservation,
    lines: [],
    announcements: [announcement(InventoryReservationFailed, data, reservation.sequence, request.traceparent)]
  }
}
