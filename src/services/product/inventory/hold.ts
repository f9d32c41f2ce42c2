/** Moves the units of reservations in a stock book: hold, give back, take off the books. No database: what is moved is written later. */
import {
  InventoryCommitted,
  InventoryReleased,
  InventoryReservationExpired,
  InventoryReserved
} from '#contracts/events/inventory-events.ts'
import { Problem } from '#contracts/problems.ts'
import type { Shortage } from '#contracts/resources/reservation.ts'
import { type Announcement, announcement } from '#platform/messaging/outbox.ts'
import type { Line, StoredReservation } from './reservation.ts'
import { allocate, availableOf, type Movement, type Part } from './stock.ts'
import type { StockBook } from './stock-book.ts'

export type Cause = { actor: string; traceparent?: string | undefined }

/**
 * Holds all units of a reservation, or none: then it says why. `reference-not-found`, `not-sellable`, or `insufficient-stock` with
 * every shortage.
 */
export function hold(
  book: StockBook,
  { reservationId, orderId, items }: StoredReservation,
  { actor }: Cause,
  kind: 'reserve' | 'commit' = 'reserve'
): Line[] | Problem {
  const unknown = items
    .filter(({ variantId, productId }) => book.item(variantId)?.productId !== productId)
    .map(item => item.variantId)
  if (unknown.length > 0)
    return new Problem('reference-not-found', 'The order names variants that do not exist', { variantIds: unknown })
  const unsold = items.filter(item => !book.item(item.variantId)!.sellable).map(item => item.variantId)
  if (unsold.length > 0 && kind === 'reserve') return new Problem('not-sellable', undefined, { variantIds: unsold })

  const tracked = items.filter(item => book.item(item.variantId)!.tracked)
  const allocated = tracked.map(item => ({ item, parts: allocate(book.item(item.variantId)!.levels, item.quantity) }))
  const shortages: Shortage[] = allocated
    .filter(({ parts }) => parts === undefined)
    .map(({ item }) => ({
      variantId: item.variantId,
      requested: item.quantity,
      available: availableOf(book.item(item.variantId)!.levels)
    }))
  if (shortages.length > 0) return new Problem('insufficient-stock', undefined, { shortages })
  return allocated.flatMap(({ item: { variantId }, parts }) =>
    (parts as Part[]).map(({ locationId, quantity }) => {
      const deltas = kind === 'reserve' ? { deltaOnHand: 0, deltaReserved: quantity } : { deltaOnHand: -quantity, deltaReserved: 0 }
      book.move(variantId, locationId, { kind, ...deltas, orderId, actor })
      return { reservationId, variantId, locationId, quantity }
    })
  )
}

type Ending = Extract<Movement['kind'], 'release' | 'expire' | 'commit' | 'restock'>

/** What one held unit's end does to the counters. */
const deltas: Record<Ending, { onHand: number; reserved: number }> = {
  release: { onHand: 0, reserved: -1 },
  expire: { onHand: 0, reserved: -1 },
  commit: { onHand: -1, reserved: -1 },
  restock: { onHand: 1, reserved: 0 }
}

/** Ends a hold, or puts what had left back on the shelf. A variant that was deleted meanwhile cannot take anything back. */
export function end(book: StockBook, { orderId }: StoredReservation, lines: readonly Line[], kind: Ending, { actor }: Cause): void {
  for (const { variantId, locationId, quantity } of lines) {
    if (!book.item(variantId)) continue
    const { onHand, reserved } = deltas[kind]
    book.move(variantId, locationId, {
      kind,
      deltaOnHand: onHand * quantity || 0,
      deltaReserved: reserved * quantity || 0,
      orderId,
      actor
    })
  }
}

const about = ({ reservationId, orderId, items }: StoredReservation) => ({ reservationId, orderId, items })

/** The events of a reservation. Each takes the next number of its order: they change `sequence`. */
export const tell = {
  reserved: (each: StoredReservation, cause: Cause): Announcement =>
    announcement(
      InventoryReserved,
      { ...about(each), userId: each.userId, expiresAt: each.expiresAt },
      ++each.sequence,
      cause.traceparent
    ),
  committed: (each: StoredReservation, cause: Cause): Announcement =>
    announcement(InventoryCommitted, about(each), ++each.sequence, cause.traceparent),
  released: (each: StoredReservation, reason: string, cause: Cause): Announcement =>
    announcement(InventoryReleased, { ...about(each), reason }, ++each.sequence, cause.traceparent),
  expired: (each: StoredReservation): Announcement => announcement(InventoryReservationExpired, about(each), ++each.sequence)
}
