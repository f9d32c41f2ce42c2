/**
 * A reservation and what it may become. Its final status is a function of the set of things known of its order, in whatever order they
 * came: nothing ordered yet: a tombstone that remembers the rest; else completed: committed; else cancelled: released; else reserved.
 */
import type { Static } from 'typebox'
import type { Reservation, ReservationStatus, ReservedItem } from '#contracts/resources/reservation.ts'

export type Facts = { ordered: boolean; confirmed: boolean; cancelled: boolean; completed: boolean }
export type Status = Static<typeof ReservationStatus>
export type Item = Static<typeof ReservedItem>

/** A reservation as it is kept. Times are RFC 3339. */
export type StoredReservation = Facts & {
  reservationId: string
  orderId: string
  userId: string | null
  status: Status
  restocked: boolean
  items: Item[]
  expiresAt: string | null
  /** By the database's clock its deadline has passed, whether or not it was swept. */
  lapsed: boolean
  reason: string | null
  version: number
  /** Events announced of this order. */
  sequence: number
  createdAt: string
  updatedAt: string
}

/** Units of a reservation at one location. */
export type Line = { reservationId: string; variantId: string; locationId: string; quantity: number }

export const nothingKnown: Facts = { ordered: false, confirmed: false, cancelled: false, completed: false }

/** The status that the facts ask for; whether the stock allows it is another question. */
export function outcomeOf({
  ordered,
  cancelled,
  completed
}: Facts): 'cancelled_before_create' | 'awaiting_order' | 'committed' | 'released' | 'reserved' {
  if (!ordered) return cancelled ? 'cancelled_before_create' : 'awaiting_order'
  if (completed) return 'committed'
  return cancelled ? 'released' : 'reserved'
}

/** As it is to be seen: expiry holds when it is read, not only when it is swept. */
export function statusOf({ status, lapsed }: StoredReservation): Status {
  return lapsed ? 'expired' : status
}

/** The same reservation with something changed: one version later. */
export function changed(reservation: StoredReservation, change: Partial<StoredReservation>): StoredReservation {
  return { ...reservation, ...change, lapsed: false, version: reservation.version + 1 }
}

export function toReservation(stored: StoredReservation): Reservation {
  const { reservationId, orderId, userId, items, expiresAt, reason, version, createdAt, updatedAt } = stored
  return { reservationId, orderId, userId, status: statusOf(stored), items, expiresAt, reason, version, createdAt, updatedAt }
}
