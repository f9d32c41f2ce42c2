/** What an Order Service says, on `order.events`. Its publishers are other people's: the specification's example is enough. */
import { Type } from 'typebox'
import { defineEvent } from '../define.ts'
import { ForeignId, Quantity } from '../resources/primitives.ts'
import { ITEMS_MAX } from '../resources/reservation.ts'

/** An item as another service names it: ids of any form, so that an unknown one is answered rather than refused. */
const Item = Type.Object({
  productId: Type.Optional(ForeignId('The product')),
  variantId: ForeignId('The variant'),
  quantity: Quantity(1)
})
const items = Type.Array(Item, { minItems: 1, maxItems: ITEMS_MAX })

const ofOrder = { topic: 'order.events', key: 'orderId', subject: 'order/{orderId}', version: 1 } as const

const aboutOrder = Type.Object({
  orderId: ForeignId('The order'),
  userId: Type.Optional(ForeignId('Who ordered')),
  items: Type.Optional(items),
  reason: Type.Optional(Type.String({ maxLength: 500 }))
})

export const OrderCreated = defineEvent({
  ...ofOrder,
  type: 'OrderCreated',
  summary: 'An order is placed; the Product Service answers InventoryReserved or InventoryReservationFailed',
  data: Type.Object({ orderId: ForeignId('The order'), userId: Type.Optional(ForeignId('Who ordered')), items })
})

export const OrderConfirmed = defineEvent({
  ...ofOrder,
  type: 'OrderConfirmed',
  summary: 'An order is certain, such as paid: its reservation has no deadline any more',
  data: aboutOrder
})

export const OrderCancelled = defineEvent({
  ...ofOrder,
  type: 'OrderCancelled',
  summary: 'An order will not be fulfilled: its stock is free again',
  data: aboutOrder
})

export const OrderCompleted = defineEvent({
  ...ofOrder,
  type: 'OrderCompleted',
  summary: 'An order has left: its stock leaves the books',
  data: aboutOrder
})

export const orderEvents = [OrderCreated, OrderConfirmed, OrderCancelled, OrderCompleted]
