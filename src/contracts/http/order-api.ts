/** What the reference Order Service can be asked over HTTP. */
import { Type } from 'typebox'
import { defineApi } from '../define.ts'
import { CreateOrder, Order, OrderList, OrderStatus } from '../resources/order.ts'
import { closed, Id, page, Text } from '../resources/primitives.ts'

const orderId = Type.Object({ orderId: Id('The order') })

const change = {
  method: 'POST',
  tag: 'Orders',
  scope: 'orders:write',
  params: orderId,
  reply: { status: 200, body: Order, description: 'The order as it is now' },
  problems: ['illegal-transition'],
  conditional: true
} as const

export const orderApi = defineApi({
  service: 'order',
  title: 'Order Service (reference)',
  version: '1.0.0',
  description: 'Places orders; the Product Service answers with the stock.',
  operations: {
    listOrders: {
      method: 'GET',
      path: '/v1/orders',
      tag: 'Orders',
      summary: 'List orders, oldest first',
      scope: 'orders:read',
      query: Type.Object({ ...page, status: Type.Optional(OrderStatus), userId: Type.Optional(Text(128)) }, closed),
      reply: { status: 200, body: OrderList, description: 'A page of orders' },
      problems: ['invalid-cursor']
    },
    createOrder: {
      method: 'POST',
      path: '/v1/orders',
      tag: 'Orders',
      summary: 'Place an order: it is pending until the Product Service answers',
      scope: 'orders:write',
      body: CreateOrder,
      reply: { status: 201, body: Order, description: 'The order, pending' },
      location: '/v1/orders/{orderId}',
      conditional: true
    },
    getOrder: {
      method: 'GET',
      path: '/v1/orders/{orderId}',
      tag: 'Orders',
      summary: 'Get an order',
      scope: 'orders:read',
      params: orderId,
      reply: { status: 200, body: Order, description: 'The order' },
      conditional: true
    },
    confirmOrder: { ...change, path: '/v1/orders/{orderId}/confirm', summary: 'The order is certain, such as paid' },
    cancelOrder: { ...change, path: '/v1/orders/{orderId}/cancel', summary: 'The order will not be fulfilled' },
    completeOrder: { ...change, path: '/v1/orders/{orderId}/complete', summary: 'The order has left' }
  }
})
