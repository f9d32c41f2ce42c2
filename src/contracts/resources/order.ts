/** Orders of the reference Order Service. */
import { type Static, Type } from 'typebox'
import { closed, extensible, ForeignId, Id, List, Nullable, Timestamp, Version } from './primitives.ts'
import { ITEMS_MAX, OrderItem } from './reservation.ts'

export const OrderStatus = Type.Union(
  [
    Type.Literal('pending'),
    Type.Literal('confirmed'),
    Type.Literal('rejected'),
    Type.Literal('cancelled'),
    Type.Literal('completed')
  ],
  {
    ...extensible,
    description: 'pending until the Product Service answers: confirmed when its stock is held, rejected when it cannot be'
  }
)

export const CreateOrder = Type.Object(
  { userId: ForeignId('Who orders'), items: Type.Array(OrderItem, { minItems: 1, maxItems: ITEMS_MAX }) },
  { ...closed, title: 'CreateOrder' }
)
export type CreateOrder = Static<typeof CreateOrder>

export const Order = Type.Object(
  {
    orderId: Id('The order'),
    userId: ForeignId('Who ordered'),
    status: OrderStatus,
    items: Type.Array(OrderItem),
    reason: Nullable(Type.String({ description: 'Why it was rejected' })),
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'Order' }
)
export type Order = Static<typeof Order>

export const OrderList = List(Order, 'OrderList')
