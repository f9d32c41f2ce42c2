/** What changes of stock do to one another when they meet: who waits, who passes by, and that nobody does so in a circle. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { hold, untilWaiting } from '../../../../test/support/held.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { assertReconciled, held, inventoryOf, reserve, stocked } from '../../../../test/support/stock.ts'
import { createReservation } from './create-reservation.ts'
import { expireReservations } from './expire-reservations.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())

const lockLevel = 'select from stock_levels where variant_id = $1 for update'

test('levels are locked in one order, in whichever they are asked for: who waits for one has none that comes after it', async () => {
  const things = [await stocked(db, 5), await stocked(db, 5), await stocked(db, 5)]
  const [first, , last] = things.map(({ variantId }) => variantId).sort() as [string, string, string]
  for (const asked of [things, things.toReversed()]) {
    const holder = await hold(db.database, lockLevel, [first])
    const reserving = held(
      reserve(
        db,
        asked.map(({ variantId }) => ({ variantId, quantity: 1 }))
      )
    )
    await untilWaiting(db.database, 1)
    const [free] = await db.database.query(`${lockLevel} skip locked`, [last])
    assert.ok(free, 'the last is locked before the first')
    await holder.release()
    await reserving
  }
  await assertReconciled(db)
})

test('whoever wants stock waits for who is taking it, and is refused what is gone by then', async () => {
  const { variantId } = await stocked(db, 1)
  const items = [{ variantId, quantity: 1 }]
  const [took, commits] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const first = db.database.transact(async tx => {
    const [reservation] = await createReservation(tx, [db.input({ body: { orderId: randomUUID(), items } })])
    took.resolve()
    await commits.promise
    return reservation!
  })
  await took.promise
  const second = reserve(db, items)
  await untilWaiting(db.database, 1)
  commits.resolve()
  await held(first)
  const refused = await second
  assert.ok(refused instanceof Problem && refused.code === 'insufficient-stock', String(refused))
  await assertReconciled(db)
})

test('a sweep passes by a hold that somebody is changing at that moment, and ends it when it is still there afterwards', async () => {
  const thing = await stocked(db, 3)
  const { reservationId } = await held(reserve(db, [{ variantId: thing.variantId, quantity: 2 }], { ttlSeconds: 60 }))
  await db.database.query(`update reservations set expires_at = now() - interval '1 second' where reservation_id = $1`, [
    reservationId
  ])
  const changing = await hold(db.database, 'select from reservations where reservation_id = $1 for update', [reservationId])
  assert.deepEqual(await expireReservations(db.database), { done: 0, more: false })
  await changing.release()
  assert.deepEqual(await expireReservations(db.database), { done: 1, more: false })
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 3, reserved: 0, available: 3 })
  await assertReconciled(db)
})
