/** What the Product Service says about stock and reservations, on `product.events`. */
import { Type } from 'typebox'
import { defineEvent } from '../define.ts'
import { ForeignId, Id, Nullable, Quantity, Timestamp } from '../resources/primitives.ts'
import { ReservedItem, Shortage } from '../resources/reservation.ts'

const topic = 'product.events'
const ofOrder = { topic, key: 'orderId', subject: 'order/{orderId}', version: 1 } as const
const ofAvailability = { topic, key: 'productId', subject: 'availability/{variantId}', version: 1 } as const

const productAndVariant = { productId: Id('The product'), variantId: Id('The variant') }
const count = (description: string) => Type.Integer({ format: 'int64', description })

export const InventoryUpdated = defineEvent({
  topic,
  key: 'productId',
  subject: 'stock-level/{variantId}/{locationId}',
  version: 1,
  type: 'InventoryUpdated',
  summary: 'The counters of a stock level are different; once per level and transaction, with the final counters',
  data: Type.Object({
    ...productAndVariant,
    locationId: Id('Where'),
    onHand: Quantity(),
    reserved: Quantity(),
    availableQuantity: count('What can still be promised here'),
    deltaOnHand: count('Against the event before'),
    deltaReserved: count('Against the event before')
  })
})

export const InventoryLowStock = defineEvent({
  ...ofAvailability,
  type: 'InventoryLowStock',
  summary: 'What is available fell to the threshold or below; once per crossing',
  data: Type.Object({ ...productAndVariant, availableQuantity: count('Over all locations'), threshold: Quantity() })
})

export const InventoryBackInStock = defineEvent({
  ...ofAvailability,
  type: 'InventoryBackInStock',
  summary: 'Nothing was available, and now something is',
  data: Type.Object({ ...productAndVariant, availableQuantity: count('Over all locations') })
})

const reservation = {
  reservationId: Id('The reservation'),
  orderId: ForeignId('The order'),
  items: Type.Array(ReservedItem)
}

export const InventoryReserved = defineEvent({
  ...ofOrder,
  type: 'InventoryReserved',
  summary: 'The stock for an order is held',
  data: Type.Object({ ...reservation, userId: Nullable(ForeignId('Whose order it is')), expiresAt: Nullable(Timestamp) })
})

export const InventoryReservationFailed = defineEvent({
  ...ofOrder,
  type: 'InventoryReservationFailed',
  summary: 'The stock for an order is not held, and why',
  data: Type.Object({
    reservationId: Id('The reservation'),
    orderId: ForeignId('The order'),
    reason: Type.String({
      maxLength: 64,
      description: 'INSUFFICIENT_STOCK, UNKNOWN_VARIANT, NOT_SELLABLE, ORDER_ALREADY_CANCELLED, EXPIRED; more may come'
    }),
    shortages: Type.Array(Shortage)
  })
})

export const InventoryCommitted = defineEvent({
  ...ofOrder,
  type: 'InventoryCommitted',
  summary: 'The stock of an order has left',
  data: Type.Object(reservation)
})

const why = { reason: Nullable(Type.String({ maxLength: 200, description: 'cancelled, released, restocked' })) }

export const InventoryReleased = defineEvent({
  ...ofOrder,
  type: 'InventoryReleased',
  summary: 'The stock of an order is free again',
  data: Type.Object({ ...reservation, ...why })
})

export const InventoryReservationExpired = defineEvent({
  ...ofOrder,
  type: 'InventoryReservationExpired',
  summary: 'The deadline of a reservation passed; its stock is free again',
  data: Type.Object(reservation)
})

export const inventoryEvents = [
  InventoryUpdated,
  InventoryLowStock,
  InventoryBackInStock,
  InventoryReserved,
  InventoryReservationFailed,
  InventoryCommitted,
  InventoryReleased,
  InventoryReservationExpired
]
