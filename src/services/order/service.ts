/**
 * The reference Order Service. It shows its half of one conversation: it announces an order (`OrderCreated`) and the Product Service
 * answers that its stock is held (`InventoryReserved`) or why not (`InventoryReservationFailed`); it says what became of the order
 * (`OrderConfirmed`, `OrderCancelled`, `OrderCompleted`) and the stock follows. Nobody waits for anybody.
 * A real one adds prices and totals, payment, addresses, fulfilment, and what to do when a reservation expires.
 */
import { InventoryReservationFailed, InventoryReserved } from '#contracts/events/inventory-events.ts'
import { orderApi } from '#contracts/http/order-api.ts'
import { read, write } from '#platform/http/handlers.ts'
import { on } from '#platform/messaging/consumer.ts'
import { defineService } from '#platform/service.ts'
import { acceptOrder, rejectOrder } from './answer-order.ts'
import { cancelOrder, completeOrder, confirmOrder } from './change-order.ts'
import { createOrder } from './create-order.ts'
import { getOrder } from './get-order.ts'
import { listOrders } from './list-orders.ts'

export const orderService = defineService({
  name: 'order',
  migrations: new URL('./migrations/', import.meta.url),
  api: orderApi,
  handlers: {
    listOrders: read(listOrders),
    createOrder: write(createOrder),
    getOrder: read(getOrder),
    confirmOrder: write(confirmOrder),
    cancelOrder: write(cancelOrder),
    completeOrder: write(completeOrder)
  },
  consumers: {
    stock: [on(InventoryReserved, acceptOrder), on(InventoryReservationFailed, rejectOrder)]
  },
  timers: []
})
