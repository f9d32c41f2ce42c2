import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { assertReconciled, held, inventoryOf, reserve, stocked } from '../../../../test/support/stock.ts'
import { archiveProduct } from '../catalog/archive-product.ts'
import { commitReservation } from './commit-reservation.ts'
import { confirmReservation } from './confirm-reservation.ts'
import { createAdjustments } from './create-adjustments.ts'
import { createLocation } from './create-location.ts'
import { createReservation } from './create-reservation.ts'
import { expireReservations } from './expire-reservations.ts'
import { extendReservation } from './extend-reservation.ts'
import { getReservation } from './get-reservation.ts'
import { releaseReservation } from './release-reservation.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(() => db.events())
afterEach(() => assertReconciled(db))

const refused = async (result: Promise<Reservation | Problem>): Promise<Problem> => {
  const problem = await result
  assert.ok(problem instanceof Problem)
  return problem
}
const by = ({ reservationId }: Reservation) => ({ params: { reservationId } })
/** Asks for one change as the edge does: a list of one. A returned problem is thrown. */
async function change<In>(
  behaviour: (tx: Transaction, inputs: readonly In[]) => Promise<readonly (Reservation | Problem)[]>,
  given: NoInfer<Partial<In>>
): Promise<Reservation> {
  const [result] = await db.batch(behaviour, [given])
  if (result instanceof Problem) throw result
  return result!
}
const release = (reservation: Reservation) => change(releaseReservation, { ...by(reservation), body: {} })

test('a reservation holds its units, leaves what is on hand, and is announced with the level and then the order', async () => {
  const thing = await stocked(db, 10)
  await db.events()
  const reservation = await held(reserve(db, [{ variantId: thing.variantId, quantity: 3 }]))
  assert.equal(reservation.status, 'reserved')
  assert.equal(reservation.expiresAt, null)
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 10, reserved: 3, available: 7 })
  const [updated, reserved, ...more] = await db.events()
  assert.deepEqual(
    [updated?.eventType, updated?.reserved, updated?.availableQuantity, updated?.deltaReserved],
    ['InventoryUpdated', 3, 7, 3]
  )
  assert.deepEqual([reserved?.eventType, reserved?.orderId, reserved?.sequence], ['InventoryReserved', reservation.orderId, 1])
  assert.deepEqual(more, [])
})

test('an order of which anything is short is refused whole, says every shortage, and holds nothing', async () => {
  const [plenty, little] = [await stocked(db, 100), await stocked(db, 1)]
  await db.events()
  const problem = await refused(
    reserve(db, [
      { variantId: plenty.variantId, quantity: 5 },
      { variantId: little.variantId, quantity: 2 }
    ])
  )
  assert.equal(problem.code, 'insufficient-stock')
  assert.deepEqual(problem.extensions.shortages, [{ variantId: little.variantId, requested: 2, available: 1 }])
  assert.deepEqual(await inventoryOf(db, plenty), { onHand: 100, reserved: 0, available: 100 })
  assert.deepEqual(await db.events(), [])
})

test('an order that names a variant twice wants the sum', async () => {
  const thing = await stocked(db, 3)
  const twice = [1, 2].map(quantity => ({ variantId: thing.variantId, quantity }))
  assert.deepEqual(
    (await held(reserve(db, twice))).items,
    [{ ...thing, quantity: 3 }].map(({ sku: _, ...item }) => item)
  )
  assert.equal((await refused(reserve(db, twice))).code, 'insufficient-stock')
})

test('the same order with the same items is the same reservation; with other items it is a conflict', async () => {
  const thing = await stocked(db, 10)
  const orderId = randomUUID()
  const first = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }], { orderId }))
  assert.deepEqual(await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }], { orderId })), first)
  assert.equal(
    (await refused(reserve(db, [{ variantId: thing.variantId, quantity: 3 }], { orderId }))).code,
    'conflicting-reservation'
  )
  assert.equal((await inventoryOf(db, thing)).reserved, 2)
})

test('requests of one order in one batch meet one reservation', async () => {
  const thing = await stocked(db, 10)
  const body = { orderId: randomUUID(), items: [{ variantId: thing.variantId, quantity: 2 }] }
  const results = await db.database.transact(tx => createReservation(tx, [db.input({ body }), db.input({ body })]))
  assert.equal(results.length, 2)
  assert.deepEqual(results[0], results[1])
  assert.equal((await inventoryOf(db, thing)).reserved, 2)
})

test('a refused caller leaves no reservation behind, and may try the same order again when there is stock', async () => {
  const thing = await stocked(db, 1)
  const orderId = randomUUID()
  const wanted = [{ variantId: thing.variantId, quantity: 2 }]
  await refused(reserve(db, wanted, { orderId }))
  await db.write(createAdjustments, { body: { items: [{ variantId: thing.variantId, delta: 1, reason: 'found' }] } })
  assert.equal((await held(reserve(db, wanted, { orderId }))).status, 'reserved')
})

test('what does not exist, or is not sold, is named', async () => {
  const thing = await stocked(db, 5)
  const unknown = '0190a000-0000-7000-8000-000000000000'
  const missing = await refused(reserve(db, [{ variantId: unknown, quantity: 1 }]))
  assert.deepEqual([missing.code, missing.extensions.variantIds], ['reference-not-found', [unknown]])
  await db.write(archiveProduct, { params: { productId: thing.productId } })
  const unsold = await refused(reserve(db, [{ variantId: thing.variantId, quantity: 1 }]))
  assert.deepEqual([unsold.code, unsold.extensions.variantIds], ['not-sellable', [thing.variantId]])
})

test('a hold of an archived product can still be committed', async () => {
  const thing = await stocked(db, 5)
  const reservation = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }]))
  await db.write(archiveProduct, { params: { productId: thing.productId } })
  assert.equal((await change(commitReservation, by(reservation))).status, 'committed')
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 3, reserved: 0, available: 3 })
})

test('stock is taken from the first location that has all of it, else split in order of priority', async () => {
  const thing = await stocked(db, 3)
  const near = await db.write(createLocation, { body: { code: randomUUID(), name: 'Near', priority: 1 } })
  await db.write(createAdjustments, {
    body: { items: [{ variantId: thing.variantId, locationId: near.locationId, delta: 2, reason: 'received' }] }
  })
  const at = async (reservation: Reservation) =>
    db.database.query<{ quantity: number }>(
      `select l.quantity from reservation_lines l join locations o using (location_id) where reservation_id = $1 order by o.priority`,
      [reservation.reservationId]
    )
  const whole = await held(reserve(db, [{ variantId: thing.variantId, quantity: 3 }]))
  assert.deepEqual(await at(whole), [{ quantity: 3 }])
  await release(whole)
  const split = await held(reserve(db, [{ variantId: thing.variantId, quantity: 4 }]))
  assert.deepEqual(await at(split), [{ quantity: 2 }, { quantity: 2 }])
})

test('release gives the units back, once; commit takes them off the books, once', async () => {
  const thing = await stocked(db, 5)
  const [a, b] = [
    await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }])),
    await held(reserve(db, [{ variantId: thing.variantId, quantity: 1 }]))
  ]
  for (const _ of ['once', 'again']) assert.equal((await release(a)).status, 'released')
  for (const _ of ['once', 'again']) assert.equal((await change(commitReservation, by(b))).status, 'committed')
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 4, reserved: 0, available: 4 })
  await assert.rejects(change(commitReservation, by(a)), { code: 'illegal-transition' })
  await assert.rejects(release(b), { code: 'illegal-transition' })
})

test('what comes back of a committed order is restocked once', async () => {
  const thing = await stocked(db, 5)
  const reservation = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }]))
  await change(commitReservation, by(reservation))
  for (const _ of ['once', 'again']) {
    const restocked = await change(releaseReservation, { ...by(reservation), body: { restock: true } })
    assert.deepEqual([restocked.status, restocked.reason], ['committed', 'restocked'])
  }
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 5, reserved: 0, available: 5 })
})

/** Sets the deadline of a hold into the past, by the clock that counts. */
const lapse = ({ reservationId }: Reservation) =>
  db.database.query(`update reservations set expires_at = now() - interval '1 second' where reservation_id = $1`, [reservationId])

test('a deadline holds when it is read, before anything sweeps', async () => {
  const thing = await stocked(db, 2)
  const reservation = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }], { ttlSeconds: 60 }))
  await lapse(reservation)
  assert.equal((await db.read(getReservation, by(reservation))).status, 'expired')
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 2, reserved: 0, available: 2 })
})

test('the units of a lapsed hold go to the next order without a sweep, and the expiry is announced before', async () => {
  const thing = await stocked(db, 2)
  const lapsed = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }], { ttlSeconds: 60 }))
  await lapse(lapsed)
  await db.events()
  const next = await held(reserve(db, [{ variantId: thing.variantId, quantity: 1 }]))
  const told = (await db.events()).map(({ eventType, orderId }) => [eventType, orderId])
  assert.deepEqual(told.slice(-2), [
    ['InventoryReservationExpired', lapsed.orderId],
    ['InventoryReserved', next.orderId]
  ])
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 2, reserved: 1, available: 1 })
})

test('the sweep ends lapsed holds and leaves the others', async () => {
  await expireReservations(db.database)
  const thing = await stocked(db, 9)
  const lapsed = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }], { ttlSeconds: 60 }))
  await held(reserve(db, [{ variantId: thing.variantId, quantity: 3 }], { ttlSeconds: 60 }))
  await lapse(lapsed)
  assert.deepEqual(await expireReservations(db.database), { done: 1, more: false })
  assert.deepEqual(await expireReservations(db.database), { done: 0, more: false })
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 9, reserved: 3, available: 6 })
})

test('a late commit or confirmation holds again what is still there, and is refused when it is gone', async () => {
  const thing = await stocked(db, 2)
  const late = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }], { ttlSeconds: 60 }))
  await lapse(late)
  await expireReservations(db.database)
  const other = await held(reserve(db, [{ variantId: thing.variantId, quantity: 1 }]))
  await assert.rejects(change(commitReservation, by(late)), { code: 'reservation-expired' })
  await assert.rejects(change(confirmReservation, by(late)), { code: 'reservation-expired' })
  await release(other)
  const confirmed = await change(confirmReservation, by(late))
  assert.deepEqual([confirmed.status, confirmed.expiresAt], ['reserved', null])
  assert.equal((await change(commitReservation, by(late))).status, 'committed')
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 0, reserved: 0, available: 0 })
})

test('confirm clears the deadline, extend moves it, and If-Match guards both', async () => {
  const thing = await stocked(db, 2)
  const hold = await held(reserve(db, [{ variantId: thing.variantId, quantity: 1 }], { ttlSeconds: 60 }))
  const extended = await change(extendReservation, { ...by(hold), body: { ttlSeconds: 600 } })
  assert.ok(Date.parse(extended.expiresAt!) > Date.parse(hold.expiresAt!))
  await assert.rejects(change(confirmReservation, { ...by(hold), expected: [hold.version] }), { code: 'precondition-failed' })
  assert.equal((await change(confirmReservation, { ...by(hold), expected: [extended.version] })).expiresAt, null)
  await assert.rejects(change(extendReservation, { ...by(hold), body: { ttlSeconds: 600 } }), { code: 'illegal-transition' })
})
