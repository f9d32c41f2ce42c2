import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { assertReconciled, held, inventoryOf, reserve, stocked } from '../../../../test/support/stock.ts'
import { commitReservation } from './commit-reservation.ts'
import { confirmReservation } from './confirm-reservation.ts'
import { releaseReservation } from './release-reservation.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(async () => {
  await assertReconciled(db)
  await db[Symbol.asyncDispose]()
})

type Wish = { reservationId: string; expected?: readonly number[]; restock?: boolean }
type Behaviour<In> = (tx: Transaction, inputs: readonly In[]) => Promise<readonly (Reservation | Problem)[]>

/** What the edge does with requests that wait at the same moment: all in one transaction. */
async function together<In>(behaviour: Behaviour<In>, wishes: readonly Wish[]): Promise<string[]> {
  const given = wishes.map(
    ({ reservationId, expected = null, restock = false }) => ({ params: { reservationId }, body: { restock }, expected }) as never
  )
  const results = await db.batch(behaviour, given)
  return results.map(result => (result instanceof Problem ? result.code : result.status))
}

async function holds(count: number, onHand = count) {
  const thing = await stocked(db, onHand)
  const reservations: Reservation[] = []
  for (let n = 0; n < count; n++) {
    reservations.push(await held(reserve(db, [{ variantId: thing.variantId, quantity: 1 }])))
  }
  await db.events()
  return { thing, reservations }
}

test('what is released together is released in one transaction; one that is refused stops no other', async () => {
  const { thing, reservations } = await holds(4, 9)
  const [a, b, c, d] = reservations
  await together(commitReservation, [b!])
  await db.events()
  const gone = { reservationId: randomUUID() }
  assert.deepEqual(await together(releaseReservation, [a!, b!, gone, { ...c!, expected: [7] }, d!]), [
    'released',
    'illegal-transition',
    'not-found',
    'precondition-failed',
    'released'
  ])
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 8, reserved: 1, available: 7 })
  const events = await db.events()
  assert.deepEqual(
    events.map(event => event.eventType),
    ['InventoryUpdated', 'InventoryReleased', 'InventoryReleased']
  )
})

test('the same reservation twice at once is asked twice, one after the other', async () => {
  const { thing, reservations } = await holds(2)
  const [a, b] = reservations
  assert.deepEqual(await together(releaseReservation, [a!, a!, { ...a!, expected: [a!.version] }]), [
    'released',
    'released',
    'precondition-failed'
  ])
  assert.deepEqual(await together(commitReservation, [b!]), ['committed'])
  assert.deepEqual(
    await together(releaseReservation, [
      { ...b!, restock: true },
      { ...b!, restock: true }
    ]),
    ['committed', 'committed']
  )
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 2, reserved: 0, available: 2 })
  const events = (await db.events()).filter(event => event.eventType === 'InventoryReleased')
  assert.deepEqual(
    events.map(event => [event.orderId, event.reason]),
    [
      [a!.orderId, 'cancelled'],
      [b!.orderId, 'restocked']
    ]
  )
})

test('batches that race for the same reservations, in opposite orders, each end every one of them once', async () => {
  const { thing, reservations } = await holds(30)
  const reversed = reservations.toReversed()
  const outcomes = await Promise.all([
    together(releaseReservation, reservations),
    together(commitReservation, reversed),
    together(releaseReservation, reversed),
    together(confirmReservation, reservations),
    together(commitReservation, reservations)
  ])
  for (const code of outcomes.flat()) assert.ok(['released', 'committed', 'reserved', 'illegal-transition'].includes(code), code)
  const [counts] = await db.database.query<{ released: number; committed: number }>(
    `select count(*) filter (where status = 'released') as released, count(*) filter (where status = 'committed') as committed
     from reservations where reservation_id = any($1::uuid[])`,
    [reservations.map(each => each.reservationId)]
  )
  assert.equal(counts!.released + counts!.committed, 30)
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 30 - counts!.committed, reserved: 0, available: counts!.released })
  const ends = (await db.events()).filter(event => /InventoryReleased|InventoryCommitted/.test(event.eventType))
  assert.equal(ends.length, 30)
})
