import { OrderCreated } from '#contracts/events/order-events.ts'
import type { orderApi } from '#contracts/http/order-api.ts'
import type { Order } from '#contracts/resources/order.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import { announce } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type OrderRow, toOrder } from './order.ts'

/** Places an order without asking for the stock: it is pending until the Product Service has answered the event. */
export async function createOrder(tx: Transaction, { body }: Input<typeof orderApi.operations.createOrder>): Promise<Order> {
  const { userId, items } = body
  const [row] = await tx.query<OrderRow>('insert into orders (order_id, user_id, items) values ($1, $2, $3) returning *', [
    newId(),
    userId,
    JSON.stringify(items)
  ])
  const order = toOrder(row!)
  announce(tx, OrderCreated, { orderId: order.orderId, userId, items }, row!.sequence)
  return order
}
