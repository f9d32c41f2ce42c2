import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { OrderCancelled, OrderCompleted, OrderConfirmed, OrderCreated } from '#contracts/events/order-events.ts'
import { openLog } from '#platform/log.ts'
import { consume } from '#platform/messaging/consume.ts'
import type { Consumer } from '#platform/messaging/consumer.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { assertReconciled, inventoryOf, reserve, type Stocked, stocked } from '../../../../test/support/stock.ts'
import { productService } from '../service.ts'
import { readReservations } from './reservation-store.ts'

let db: ProductDatabase
let consumer: Consumer
before(async () => {
  db = await openProductDatabase()
  const consumers =
    typeof productService.consumers === 'function' ? productService.consumers({} as never) : productService.consumers
  const log = openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })
  consumer = { name: 'product.order-events', reactions: consumers['order-events']!, database: db.database, retryDelaysMs: [], log }
})
after(() => db[Symbol.asyncDispose]())

const events = { OrderCreated, OrderConfirmed, OrderCancelled, OrderCompleted }
type Name = keyof typeof events

/** Delivers an event as a broker does; the same event again has the same id. */
async function deliver(name: Name, orderId: string, more: object = {}, eventId: string | undefined = `${orderId} ${name}`) {
  const body = { ...(eventId && { eventId }), eventType: name, orderId, timestamp: '2026-11-22T10:00:00Z', ...more }
  return consume(consumer, {
    topic: 'order.events',
    key: orderId,
    messageId: '',
    routingKey: '',
    headers: {},
    position: 'test',
    body: Buffer.from(JSON.stringify(body))
  })
}

const itemsOf = ({ productId, variantId }: Stocked, quantity: number) => ({ items: [{ productId, variantId, quantity }] })

async function reservationOf(orderId: string) {
  const [reservation] = await readReservations(db.database, 'where order_id = $1', [orderId])
  return reservation
}

const deadLettersOf = (orderId: string) =>
  db.database.query('select reason, event_type from dead_letters where key = $1', [orderId])

/** What DESIGN's function of the set of events says. */
function expected(set: ReadonlySet<Name>): { status: string; onHand: number; reserved: number } | undefined {
  if (set.size === 0) return undefined
  if (!set.has('OrderCreated'))
    return { status: set.has('OrderCancelled') ? 'cancelled_before_create' : 'awaiting_order', onHand: 10, reserved: 0 }
  if (set.has('OrderCompleted')) return { status: 'committed', onHand: 7, reserved: 0 }
  if (set.has('OrderCancelled')) return { status: 'released', onHand: 10, reserved: 0 }
  return { status: 'reserved', onHand: 10, reserved: 3 }
}

test('every permutation of the order events, with duplicates, ends in the one state of their set', async () => {
  const names = Object.keys(events) as Name[]
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 8 }), async sequence => {
      const thing = await stocked(db, 10)
      const orderId = randomUUID()
      for (const name of sequence) {
        const verdict = await deliver(name, orderId, name === 'OrderCreated' ? itemsOf(thing, 3) : {})
        assert.equal(verdict, 'ack')
      }
      const want = expected(new Set(sequence))!
      const reservation = await reservationOf(orderId)
      const { onHand, reserved } = await inventoryOf(db, thing)
      assert.deepEqual({ status: reservation?.status, onHand, reserved }, want)
      assert.equal(reservation?.expiresAt, null)
      assert.deepEqual(await deadLettersOf(orderId), [])
    }),
    { numRuns: 150 }
  )
  await assertReconciled(db)
})

test('all 24 orders of the four events, each event twice, concurrently as well', async () => {
  for (const sequence of permutations(Object.keys(events) as Name[])) {
    const thing = await stocked(db, 10)
    const orderId = randomUUID()
    await Promise.all(
      [...sequence, ...sequence].map(name => deliver(name, orderId, name === 'OrderCreated' ? itemsOf(thing, 3) : {}))
    )
    assert.equal((await reservationOf(orderId))?.status, 'committed', sequence.join(' '))
    assert.deepEqual(await inventoryOf(db, thing), { onHand: 7, reserved: 0, available: 7 })
  }
  await assertReconciled(db)
})

test("the specification's example, without any id, reserves once however often it comes", async () => {
  const thing = await stocked(db, 10)
  const orderId = randomUUID()
  for (const _ of [1, 2, 3]) await deliver('OrderCreated', orderId, { userId: 'u-1', ...itemsOf(thing, 2) }, '')
  assert.deepEqual(await inventoryOf(db, thing), { onHand: 10, reserved: 2, available: 8 })
})

test('an order that is short is rejected and told so, with nothing held', async () => {
  const thing = await stocked(db, 1)
  const orderId = randomUUID()
  await db.events()
  await deliver('OrderCreated', orderId, itemsOf(thing, 2))
  assert.equal((await reservationOf(orderId))?.status, 'rejected')
  const [failed, ...more] = await db.events()
  assert.deepEqual(more, [])
  assert.deepEqual(
    [failed?.eventType, failed?.reason, failed?.shortages],
    ['InventoryReservationFailed', 'INSUFFICIENT_STOCK', [{ variantId: thing.variantId, requested: 2, available: 1 }]]
  )
})

test('an order of something that does not exist is answered, whatever form its ids have', async () => {
  const orderId = randomUUID()
  await db.events()
  await deliver('OrderCreated', orderId, {
    items: [{ productId: 'string', variantId: 'no such thing'.replaceAll(' ', '-'), quantity: 2 }]
  })
  const [failed] = await db.events()
  assert.deepEqual([failed?.eventType, failed?.reason], ['InventoryReservationFailed', 'UNKNOWN_VARIANT'])
})

test('the same order with other items is set aside, never merged', async () => {
  const thing = await stocked(db, 10)
  const orderId = randomUUID()
  await deliver('OrderCreated', orderId, itemsOf(thing, 2), 'first')
  await deliver('OrderCreated', orderId, itemsOf(thing, 3), 'second')
  assert.equal((await inventoryOf(db, thing)).reserved, 2)
  assert.deepEqual(await deadLettersOf(orderId), [{ reason: 'refused', event_type: 'OrderCreated' }])
})

test('a completion whose stock is gone is set aside as commit-refused, and changes nothing', async () => {
  const thing = await stocked(db, 2)
  const orderId = randomUUID()
  await deliver('OrderCreated', orderId, itemsOf(thing, 2))
  await deliver('OrderCancelled', orderId)
  await reserve(db, [{ variantId: thing.variantId, quantity: 1 }])
  await deliver('OrderCompleted', orderId)
  assert.equal((await reservationOf(orderId))?.status, 'released')
  assert.deepEqual(await deadLettersOf(orderId), [{ reason: 'commit-refused', event_type: 'OrderCompleted' }])
  await assertReconciled(db)
})

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map(rest => [item, ...rest]))
}
