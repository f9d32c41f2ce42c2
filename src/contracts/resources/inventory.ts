/** Stock: locations, levels, availability, adjustments, the ledger that explains every counter, and the proof that it does. */
import { type Static, Type } from 'typebox'
import { closed, extensible, Id, Line, List, Nullable, Quantity, Sku, Text, Timestamp, Version } from './primitives.ts'

export const Location = Type.Object(
  {
    locationId: Id('The location'),
    code: Line(64),
    name: Line(200),
    priority: Type.Integer({ minimum: 0, maximum: 1000, description: 'Stock is taken from the lowest number first' }),
    active: Type.Boolean({ description: 'false: what it has is counted but not sold' }),
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'Location' }
)
export type Location = Static<typeof Location>

export const CreateLocation = Type.Object(
  {
    code: Line(64),
    name: Line(200),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000, default: 100 })),
    active: Type.Optional(Type.Boolean({ default: true }))
  },
  { ...closed, title: 'CreateLocation' }
)
export type CreateLocation = Static<typeof CreateLocation>

export const UpdateLocation = Type.Object(
  {
    name: Type.Optional(Line(200)),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
    active: Type.Optional(Type.Boolean())
  },
  { ...closed, title: 'UpdateLocation' }
)
export type UpdateLocation = Static<typeof UpdateLocation>

export const LocationList = List(Location, 'LocationList')

const counters = {
  onHand: Quantity(0, 'Units that are there'),
  reserved: Quantity(0, 'Units held for orders'),
  available: Type.Integer({ format: 'int64', description: 'onHand − reserved − safetyStock: what can still be promised' })
}

export const StockLevel = Type.Object(
  { locationId: Id('The location'), ...counters, safetyStock: Quantity(0, 'Units never promised'), version: Version },
  { title: 'StockLevel' }
)
export type StockLevel = Static<typeof StockLevel>

export const Inventory = Type.Object(
  {
    productId: Id('The product'),
    variantId: Id('The variant'),
    sku: Sku,
    tracked: Type.Boolean(),
    ...counters,
    lowStockThreshold: Nullable(Quantity(0)),
    locations: Type.Array(StockLevel),
    version: Version
  },
  { title: 'Inventory' }
)
export type Inventory = Static<typeof Inventory>

export const UpdateInventory = Type.Object(
  {
    lowStockThreshold: Type.Optional(Nullable(Quantity(0, 'InventoryLowStock when no more than this is available; null: never'))),
    tracked: Type.Optional(Type.Boolean()),
    safetyStock: Type.Optional(Quantity(0, 'Units never promised, at `locationId`')),
    locationId: Type.Optional(Id('Where safetyStock applies; the default location when absent'))
  },
  { ...closed, title: 'UpdateInventory' }
)
export type UpdateInventory = Static<typeof UpdateInventory>

export const AvailabilityQuery = Type.Object(
  { variantIds: Type.Array(Id('A variant'), { minItems: 1, maxItems: 500 }) },
  { ...closed, title: 'AvailabilityQuery' }
)

export const Availability = Type.Object(
  {
    data: Type.Array(
      Type.Object({
        variantId: Id('A variant'),
        productId: Nullable(Id('Its product')),
        sellable: Type.Boolean({ description: 'It exists, and it and its product are active' }),
        tracked: Type.Boolean({ description: 'false: `available` does not limit it' }),
        available: Type.Integer({ format: 'int64' })
      }),
      { description: 'In the order asked' }
    )
  },
  { title: 'Availability' }
)
export type Availability = Static<typeof Availability>

export const AdjustmentReason = Type.Union(
  [
    Type.Literal('received'),
    Type.Literal('returned'),
    Type.Literal('damaged'),
    Type.Literal('lost'),
    Type.Literal('found'),
    Type.Literal('counted'),
    Type.Literal('correction'),
    Type.Literal('other')
  ],
  { ...extensible, description: 'Why the count changes' }
)

const where = {
  variantId: Id('The variant'),
  locationId: Type.Optional(Id('Where; the default location when absent')),
  reason: AdjustmentReason,
  note: Type.Optional(Text(500))
}

export const Adjustment = Type.Union(
  [
    Type.Object({ ...where, delta: Type.Integer({ minimum: -2_000_000_000, maximum: 2_000_000_000, not: { const: 0 } }) }, closed),
    Type.Object(
      { ...where, onHand: Quantity(0, 'Set the count to this'), expectedOnHand: Quantity(0, 'if it is this now') },
      closed
    )
  ],
  { title: 'Adjustment', description: 'A difference, or a count that replaces an expected one' }
)

export const CreateAdjustments = Type.Object(
  { items: Type.Array(Adjustment, { minItems: 1, maxItems: 100, description: 'All are applied, or none' }) },
  { ...closed, title: 'CreateAdjustments' }
)
export type CreateAdjustments = Static<typeof CreateAdjustments>

export const LedgerEntry = Type.Object(
  {
    ledgerEntryId: Type.Integer({ format: 'int64' }),
    variantId: Id('The variant'),
    locationId: Id('Where'),
    kind: Type.String({ description: 'receive, adjust, reserve, release, expire, commit, restock' }),
    deltaOnHand: Type.Integer({ format: 'int64' }),
    deltaReserved: Type.Integer({ format: 'int64' }),
    onHandAfter: Quantity(0),
    reservedAfter: Quantity(0),
    reason: Nullable(Type.String()),
    note: Nullable(Type.String()),
    orderId: Nullable(Type.String()),
    actor: Type.String(),
    at: Timestamp
  },
  { title: 'LedgerEntry', description: 'One change of one counter; never changed, never deleted' }
)
export type LedgerEntry = Static<typeof LedgerEntry>

export const LedgerList = List(LedgerEntry, 'LedgerList')

export const Adjustments = Type.Object({ data: Type.Array(LedgerEntry) }, { title: 'Adjustments' })

export const Reconciliation = Type.Object(
  {
    checkedAt: Timestamp,
    levels: Type.Integer({ description: 'Stock levels compared' }),
    drift: Type.Integer({ description: 'Stock levels whose counters the ledger or the open reservations do not explain' }),
    oversold: Type.Integer({ format: 'int64', description: 'Units reserved beyond what is on hand' }),
    data: Type.Array(
      Type.Object({
        variantId: Id('The variant'),
        locationId: Id('Where'),
        onHand: Type.Integer({ format: 'int64' }),
        onHandByLedger: Type.Integer({ format: 'int64' }),
        reserved: Type.Integer({ format: 'int64' }),
        reservedByLedger: Type.Integer({ format: 'int64' }),
        reservedByReservations: Type.Integer({ format: 'int64' })
      }),
      { description: 'The first hundred levels that drifted' }
    )
  },
  { title: 'Reconciliation' }
)
export type Reconciliation = Static<typeof Reconciliation>
