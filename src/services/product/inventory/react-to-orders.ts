/** What an Order Service's events cause. They may come twice, late, or in any order: the reservation's final state is the same. */

import type { EventOf } from '#contracts/envelope.ts'
import type { OrderCancelled, OrderCompleted, OrderConfirmed, OrderCreated } from '#contracts/events/order-events.ts'
import { Problem } from '#contracts/problems.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { nothingKnown, outcomeOf, type StoredReservation } from './reservation.ts'
import { lockOrders, storeReservations } from './reservation-store.ts'
import { reserveStock } from './reserve-stock.ts'
import type { News } from './settle.ts'
import { settleReservations } from './settle-reservations.ts'

/** Holds the stock of a new order, and announces that it did or why not. */
export function reserveForOrder(ttlSeconds: number | null) {
  return async (tx: Transaction, event: EventOf<typeof OrderCreated>): Promise<void> => {
    const { orderId, items, source } = event
    const request = {
      orderId,
      userId: event.userId ?? null,
      items,
      ttlSeconds,
      from: 'event',
      actor: source,
      traceparent: tx.traceparent
    } as const
    const [result] = await reserveStock(tx, [request])
    if (result instanceof Problem) throw result
  }
}

export function confirmForOrder(tx: Transaction, event: EventOf<typeof OrderConfirmed>): Promise<void> {
  return learn(tx, event, { confirmed: true })
}

export function releaseForOrder(tx: Transaction, event: EventOf<typeof OrderCancelled>): Promise<void> {
  return learn(tx, event, { cancelled: true })
}

export function commitForOrder(tx: Transaction, event: EventOf<typeof OrderCompleted>): Promise<void> {
  return learn(tx, event, { completed: true })
}

type AboutOrder = { orderId: string; userId?: string | undefined; source: string }

async function learn(tx: Transaction, { orderId, userId, source }: AboutOrder, news: News): Promise<void> {
  const locked = await lockOrders(tx, [orderId])
  if (!locked.known.has(orderId)) return storeReservations(tx, [tombstone(orderId, userId ?? null, news, locked.now)], [])
  const ask = () => ({ kind: 'news', news, ifGone: 'commit-refused' }) as const
  const [result] = await settleReservations(tx, locked, [{ orderId, ask, actor: source, traceparent: tx.traceparent }])
  if (result instanceof Problem) throw result
}

/** What is known of an order before the order itself is known. */
function tombstone(orderId: string, userId: string | null, news: News, now: Date): StoredReservation {
  const facts = { ...nothingKnown, ...news }
  const at = now.toISOString()
  return {
    ...facts,
    reservationId: newId(),
    orderId,
    userId,
    status: outcomeOf(facts),
    restocked: false,
    items: [],
    expiresAt: null,
    lapsed: false,
    reason: null,
    version: 1,
    sequence: 0,
    createdAt: at,
    updatedAt: at
  }
}
