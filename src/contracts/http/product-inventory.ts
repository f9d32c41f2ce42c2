/** Stock and reservations over HTTP. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import {
  Adjustments,
  Availability,
  AvailabilityQuery,
  CreateAdjustments,
  CreateLocation,
  Inventory,
  LedgerList,
  Location,
  LocationList,
  Reconciliation,
  UpdateInventory,
  UpdateLocation
} from '../resources/inventory.ts'
import { closed, ForeignId, Id, page } from '../resources/primitives.ts'
import { CreateReservation, ExtendReservation, ReleaseReservation, Reservation, ReservationList } from '../resources/reservation.ts'

const variantId = Type.Object({ variantId: Id('The variant') })
const locationId = Type.Object({ locationId: Id('The location') })
const reservationId = Type.Object({ reservationId: Id('The reservation') })

const change = {
  method: 'POST',
  tag: 'Reservations',
  scope: 'reservations:write',
  params: reservationId,
  reply: { status: 200, body: Reservation, description: 'The reservation as it is now' },
  conditional: true
} as const

export const inventoryOperations = {
  listLocations: {
    method: 'GET',
    path: '/v1/locations',
    tag: 'Inventory',
    summary: 'List locations, oldest first',
    scope: 'inventory:read',
    query: Type.Object(page, closed),
    reply: { status: 200, body: LocationList, description: 'A page of locations' },
    problems: ['invalid-cursor']
  },
  createLocation: {
    method: 'POST',
    path: '/v1/locations',
    tag: 'Inventory',
    summary: 'Add a location',
    scope: 'inventory:write',
    body: CreateLocation,
    reply: { status: 201, body: Location, description: 'The location' },
    location: '/v1/locations/{locationId}',
    problems: ['code-taken'],
    conditional: true
  },
  getLocation: {
    method: 'GET',
    path: '/v1/locations/{locationId}',
    tag: 'Inventory',
    summary: 'Get a location',
    scope: 'inventory:read',
    params: locationId,
    reply: { status: 200, body: Location, description: 'The location' },
    conditional: true
  },
  updateLocation: {
    method: 'PATCH',
    path: '/v1/locations/{locationId}',
    tag: 'Inventory',
    summary: 'Change a location (JSON merge patch)',
    scope: 'inventory:write',
    params: locationId,
    body: UpdateLocation,
    reply: { status: 200, body: Location, description: 'The location as it is now' },
    conditional: true
  },
  getInventory: {
    method: 'GET',
    path: '/v1/inventory/{variantId}',
    tag: 'Inventory',
    summary: 'Get the stock of a variant, over all locations and at each',
    scope: 'inventory:read',
    params: variantId,
    reply: { status: 200, body: Inventory, description: 'Its counters' }
  },
  updateInventory: {
    method: 'PATCH',
    path: '/v1/inventory/{variantId}',
    tag: 'Inventory',
    summary: 'Set thresholds and safety stock (JSON merge patch)',
    scope: 'inventory:write',
    params: variantId,
    body: UpdateInventory,
    reply: { status: 200, body: Inventory, description: 'Its counters as they are now' },
    problems: ['reference-not-found', 'open-reservations']
  },
  checkAvailability: {
    method: 'POST',
    path: '/v1/inventory/availability',
    tag: 'Inventory',
    summary: 'Ask what is available of many variants; changes nothing',
    scope: 'inventory:read',
    audit: 'nothing',
    body: AvailabilityQuery,
    reply: { status: 200, body: Availability, description: 'What is available, in the order asked' }
  },
  createAdjustments: {
    method: 'POST',
    path: '/v1/inventory/adjustments',
    tag: 'Inventory',
    summary: 'Book differences or counts; all or none',
    scope: 'inventory:write',
    body: CreateAdjustments,
    idempotency: 'required',
    audit: 'ledger',
    reply: { status: 201, body: Adjustments, description: 'The ledger entries' },
    problems: ['reference-not-found', 'would-oversell', 'stale-quantity', 'quantity-overflow']
  },
  listLedger: {
    method: 'GET',
    path: '/v1/inventory/ledger',
    tag: 'Inventory',
    summary: 'List every change of every counter, oldest first',
    scope: 'inventory:read',
    query: Type.Object(
      {
        ...page,
        variantId: Type.Optional(Id('Of this variant')),
        locationId: Type.Optional(Id('At this location')),
        orderId: Type.Optional(ForeignId('For this order'))
      },
      closed
    ),
    reply: { status: 200, body: LedgerList, description: 'A page of the ledger' },
    problems: ['invalid-cursor']
  },
  getReconciliation: {
    method: 'GET',
    path: '/v1/inventory/reconciliation',
    tag: 'Inventory',
    summary: 'Recompute every counter from the ledger and the open reservations, and name those that differ',
    scope: 'inventory:read',
    reply: { status: 200, body: Reconciliation, description: 'drift is 0 unless something is broken' }
  },
  listReservations: {
    method: 'GET',
    path: '/v1/reservations',
    tag: 'Reservations',
    summary: 'List reservations, oldest first',
    scope: 'reservations:write',
    query: Type.Object({ ...page, orderId: Type.Optional(ForeignId('Of this order')) }, closed),
    reply: { status: 200, body: ReservationList, description: 'A page of reservations' },
    problems: ['invalid-cursor']
  },
  createReservation: {
    method: 'POST',
    path: '/v1/reservations',
    tag: 'Reservations',
    summary: 'Hold stock for an order',
    description: 'The same order with the same items again is answered with the same reservation.',
    scope: 'reservations:write',
    body: CreateReservation,
    idempotency: 'required',
    audit: 'ledger',
    reply: { status: 201, body: Reservation, description: 'The stock is held' },
    location: '/v1/reservations/{reservationId}',
    problems: [
      'insufficient-stock',
      'not-sellable',
      'reference-not-found',
      'conflicting-reservation',
      'order-already-cancelled',
      'illegal-transition'
    ],
    conditional: true
  },
  getReservation: {
    method: 'GET',
    path: '/v1/reservations/{reservationId}',
    tag: 'Reservations',
    summary: 'Get a reservation',
    scope: 'reservations:write',
    params: reservationId,
    reply: { status: 200, body: Reservation, description: 'The reservation' },
    conditional: true
  },
  confirmReservation: {
    ...change,
    path: '/v1/reservations/{reservationId}/confirm',
    summary: 'The order is certain: the hold has no deadline any more',
    problems: ['illegal-transition', 'reservation-expired']
  },
  extendReservation: {
    ...change,
    path: '/v1/reservations/{reservationId}/extend',
    summary: 'Move the deadline of a hold',
    body: ExtendReservation,
    problems: ['illegal-transition', 'reservation-expired']
  },
  commitReservation: {
    ...change,
    path: '/v1/reservations/{reservationId}/commit',
    summary: 'The goods have left: take them off the books',
    description: 'A hold that expired is held again if the stock is still there.',
    idempotency: 'required',
    audit: 'ledger',
    problems: ['illegal-transition', 'reservation-expired']
  },
  releaseReservation: {
    ...change,
    path: '/v1/reservations/{reservationId}/release',
    summary: 'The order will not be fulfilled: its stock is free again',
    idempotency: 'required',
    audit: 'ledger',
    body: ReleaseReservation,
    problems: ['illegal-transition']
  }
} as const satisfies Record<string, Operation>
