/** A reservation holds stock for one order. */
import { type Static, Type } from 'typebox'
import { closed, extensible, ForeignId, Id, List, Nullable, Quantity, Timestamp, Version } from './primitives.ts'

export const ReservationStatus = Type.Union(
  [
    Type.Literal('reserved'),
    Type.Literal('committed'),
    Type.Literal('released'),
    Type.Literal('expired'),
    Type.Literal('rejected'),
    Type.Literal('cancelled_before_create'),
    Type.Literal('awaiting_order')
  ],
  {
    ...extensible,
    description:
      'reserved: stock is held; committed: it has left; released, expired: it is free again; rejected: it was never held; ' +
      'cancelled_before_create, awaiting_order: other news of the order came before the order itself'
  }
)

export const OrderItem = Type.Object(
  {
    productId: Type.Optional(Id('The product; when given, the variant must be one of it')),
    variantId: Id('The variant'),
    quantity: Quantity(1)
  },
  { ...closed, title: 'OrderItem' }
)
export type OrderItem = Static<typeof OrderItem>

export const ITEMS_MAX = 1000

export const CreateReservation = Type.Object(
  {
    orderId: ForeignId('The order; it has one reservation'),
    userId: Type.Optional(ForeignId('Whose order it is')),
    ttlSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2_678_400,
        description: 'The hold ends after this many seconds; without it, it has no deadline'
      })
    ),
    items: Type.Array(OrderItem, {
      minItems: 1,
      maxItems: ITEMS_MAX,
      description: 'All are held, or none; one variant twice counts as the sum'
    })
  },
  { ...closed, title: 'CreateReservation' }
)
export type CreateReservation = Static<typeof CreateReservation>

export const ReservedItem = Type.Object({ productId: Id('The product'), variantId: Id('The variant'), quantity: Quantity(1) })

export const Reservation = Type.Object(
  {
    reservationId: Id('The reservation'),
    orderId: ForeignId('The order'),
    userId: Nullable(ForeignId('Whose order it is')),
    status: ReservationStatus,
    items: Type.Array(ReservedItem),
    expiresAt: Nullable(Timestamp),
    reason: Nullable(Type.String({ description: 'Why it was rejected, released or expired' })),
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'Reservation' }
)
export type Reservation = Static<typeof Reservation>

export const ExtendReservation = Type.Object(
  { ttlSeconds: Type.Integer({ minimum: 1, maximum: 2_678_400, description: 'From now' }) },
  { ...closed, title: 'ExtendReservation' }
)

export const ReleaseReservation = Type.Object(
  { restock: Type.Optional(Type.Boolean({ description: 'Of a committed reservation: its units are back on the shelf' })) },
  { ...closed, title: 'ReleaseReservation' }
)

export const ReservationList = List(Reservation, 'ReservationList')

export const Shortage = Type.Object(
  {
    variantId: Type.String({ maxLength: 128 }),
    requested: Type.Integer({ format: 'int64' }),
    available: Type.Integer({ format: 'int64' })
  },
  { title: 'Shortage' }
)
export type Shortage = Static<typeof Shortage>
