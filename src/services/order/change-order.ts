/** What people do to an order that stands: each change is announced once; asking for what is so already changes nothing. */
import { OrderCancelled, OrderCompleted, OrderConfirmed } from '#contracts/events/order-events.ts'
import type { orderApi } from '#contracts/http/order-api.ts'
import { Problem } from '#contracts/problems.ts'
import type { Order } from '#contracts/resources/order.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announce } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type OrderRow, toOrder } from './order.ts'

type Operations = typeof orderApi.operations

/** The customer has paid. Only an order whose stock is held can be paid. */
export function confirmOrder(tx: Transaction, request: Input<Operations['confirmOrder']>): Promise<Order> {
  return change(tx, request, {
    isSo: order => order.status === 'confirmed' && order.paid,
    from: ['confirmed'],
    to: { status: 'confirmed', paid: true },
    event: OrderConfirmed
  })
}

export function cancelOrder(tx: Transaction, request: Input<Operations['cancelOrder']>): Promise<Order> {
  return change(tx, request, {
    isSo: order => order.status === 'cancelled',
    from: ['pending', 'confirmed'],
    to: { status: 'cancelled' },
    event: OrderCancelled
  })
}

/** The goods have left. */
export function completeOrder(tx: Transaction, request: Input<Operations['completeOrder']>): Promise<Order> {
  return change(tx, request, {
    isSo: order => order.status === 'completed',
    from: ['confirmed'],
    to: { status: 'completed' },
    event: OrderCompleted
  })
}

type Change = {
  isSo: (order: OrderRow) => boolean
  from: readonly Order['status'][]
  to: { status: Order['status']; paid?: true }
  event: typeof OrderCancelled
}

async function change(
  tx: Transaction,
  { params, expected }: Pick<Input<Operations['cancelOrder']>, 'params' | 'expected'>,
  { isSo, from, to, event }: Change
): Promise<Order> {
  const [order] = await tx.query<OrderRow>('select * from orders where order_id = $1 for update', [params.orderId])
  if (!order) throw new Problem('not-found')
  keepBefore(tx, toOrder(order))
  checkVersion(expected, order.version)
  if (isSo(order)) return toOrder(order)
  if (!from.includes(order.status))
    throw new Problem('illegal-transition', `The order is ${order.status}`, { currentStatus: order.status })

  const [row] = await tx.query<OrderRow>(
    `update orders set status = $2, paid = $3, version = version + 1, sequence = sequence + 1, updated_at = now()
     where order_id = $1 returning *`,
    [order.order_id, to.status, to.paid ?? order.paid]
  )
  const { order_id: orderId, user_id: userId, items, sequence } = row!
  announce(tx, event, { orderId, userId, items }, sequence)
  return toOrder(row!)
}
