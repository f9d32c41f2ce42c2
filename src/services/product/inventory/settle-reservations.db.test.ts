import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { assertReconciled, held, inventoryOf, reserve, type Stocked, stocked } from '../../../../test/support/stock.ts'
import { commitReservation } from './commit-reservation.ts'
import { confirmReservation } from './confirm-reservation.ts'
import { expireReservations } from './expire-reservations.ts'
import { extendReservation } from './extend-reservation.ts'
import { releaseReservation } from './release-reservation.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(() => db.events())
afterEach(() => assertReconciled(db))

type Behaviour<In> = (tx: Transaction, inputs: readonly In[]) => Promise<readonly (Reservation | Problem)[]>

/** Asks for changes as the edge does when several requests wait: one transaction. */
const together = <In>(behaviour: Behaviour<In>, ...given: NoInfer<Partial<In>>[]) => db.batch(behaviour, given)
const said = (results: readonly (Reservation | Problem)[]) =>
  results.map(result => (result instanceof Problem ? result.code : result.status))
const by = ({ reservationId }: { reservationId: string }) => ({ params: { reservationId } })
const releasing = (reservation: { reservationId: string }) => ({ ...by(reservation), body: {} })

const holding = ({ variantId }: Stocked, quantity: number, more: { ttlSeconds?: number; orderId?: string } = {}) =>
  held(reserve(db, [{ variantId, quantity }], more))

const lapse = ({ reservationId }: Reservation) =>
  db.database.query(`update reservations set expires_at = now() - interval '1 second' where reservation_id = $1`, [reservationId])

test('changes of one reservation in one batch are made in the order asked, each seeing what the one before it left', async () => {
  const thing = await stocked(db, 5)
  const reservation = await holding(thing, 2, { ttlSeconds: 60 })
  const extending = (ttlSeconds: number, expected: number[] | null = null) => ({
    ...by(reservation),
    body: { ttlSeconds },
    expected
  })
  const extended = await together(extendReservation, extending(100), extending(200, [2]), extending(300, [2]))
  assert.deepEqual(said(extended), ['reserved', 'reserved', 'precondition-failed'])
  assert.deepEqual(extended[2] instanceof Problem && extended[2].extensions, { currentVersion: 3 })
  const [first, second] = extended as Reservation[]
  assert.deepEqual([first!.version, second!.version], [2, 3])
  assert.equal(Date.parse(second!.expiresAt!) - Date.parse(first!.expiresAt!), 100_000)

  const results = await together(releaseReservation, releasing(reservation), releasing(reservation))
  assert.deepEqual(results[0], results[1])
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 5, reserved: 0, available: 5 })
  assert.equal((await db.events()).filter(({ eventType }) => eventType === 'InventoryReleased').length, 1)
})

test('what is committed twice in one batch leaves once, and what comes back twice is restocked once', async () => {
  const thing = await stocked(db, 5)
  const reservation = await holding(thing, 2)
  assert.deepEqual(said(await together(commitReservation, by(reservation), by(reservation))), ['committed', 'committed'])
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 3, reserved: 0, available: 3 })
  const restocking = { ...by(reservation), body: { restock: true } }
  const refusedFirst = await together(releaseReservation, releasing(reservation), restocking, restocking)
  assert.deepEqual(said(refusedFirst), ['illegal-transition', 'committed', 'committed'])
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 5, reserved: 0, available: 5 })
})

test('of holds that were lost together, those asked for first are made again while there is stock, and the rest are refused', async () => {
  const thing = await stocked(db, 4)
  const lost = [
    await holding(thing, 2, { ttlSeconds: 60 }),
    await holding(thing, 1, { ttlSeconds: 60 }),
    await holding(thing, 1, { ttlSeconds: 60 })
  ]
  for (const each of lost) await lapse(each)
  await expireReservations(db.database)
  await holding(thing, 1)
  const results = await together(confirmReservation, by(lost[0]!), by(lost[1]!), by(lost[2]!), by(lost[0]!))
  assert.deepEqual(said(results), ['reserved', 'reserved', 'reservation-expired', 'reserved'])
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 4, reserved: 4, available: 0 })
  assert.deepEqual(said(await together(releaseReservation, ...lost.map(releasing))), ['released', 'released', 'expired'])
})

test('a hold past its deadline that is kept in a batch is not taken for another of the same batch; one whose caller is refused is', async () => {
  const thing = await stocked(db, 2)
  const lost = await holding(thing, 1, { ttlSeconds: 60 })
  await lapse(lost)
  await expireReservations(db.database)
  const lapsed = await holding(thing, 2, { ttlSeconds: 60 })
  await lapse(lapsed)
  assert.deepEqual(said(await together(commitReservation, by(lost), { ...by(lapsed), expected: [9] })), [
    'committed',
    'precondition-failed'
  ])
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 1, reserved: 0, available: 1 })

  const more = await stocked(db, 2)
  const gone = await holding(more, 1, { ttlSeconds: 60 })
  await lapse(gone)
  await expireReservations(db.database)
  const kept = await holding(more, 2, { ttlSeconds: 60 })
  await lapse(kept)
  assert.deepEqual(said(await together(commitReservation, by(gone), by(kept))), ['reservation-expired', 'committed'])
  assert.deepEqual(await inventoryOf(db, more), { onHand: 0, reserved: 0, available: 0 })
})

test('a reservation and its release, asked at the same time again and again, never hold more or less than what is reserved', async () => {
  const [thing, other] = [await stocked(db, 3), await stocked(db, 3)]
  const orders = Array.from({ length: 12 }, () => randomUUID())
  await Promise.all(
    orders.map(async (orderId, index) => {
      // Opposite orders of naming: the locks are taken in one order all the same.
      const items = [thing, other].map(({ variantId }) => ({ variantId, quantity: 1 }))
      for (let round = 0; round < 4; round++) {
        const result = await reserve(db, index % 2 ? items : items.toReversed(), { orderId: `${orderId}-${round}` })
        if (result instanceof Problem) continue
        const again = reserve(db, items, { orderId: `${orderId}-${round}` })
        const released = await together(releaseReservation, releasing(result), releasing(result))
        assert.deepEqual(said(released), ['released', 'released'])
        const late = await again
        if (late instanceof Problem) assert.equal(late.code, 'illegal-transition')
        else assert.equal(late.reservationId, result.reservationId)
      }
    })
  )
  for (const each of [thing, other]) assert.deepEqual(await inventoryOf(db, each), { onHand: 3, reserved: 0, available: 3 })
})
