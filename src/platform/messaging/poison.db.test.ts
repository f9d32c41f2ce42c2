import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Delivery } from '#broker/broker.ts'
import { openBroker } from '#broker/open.ts'
import { Problem } from '#contracts/problems.ts'
import { delivered, leaveEffect, openMessaging, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { startRetries } from './parking.ts'

const tested = await openMessaging({ poolSize: 10 })
const { database, adminUrl } = tested
const broker = await openBroker({ url: adminUrl })
after(async () => {
  await broker[Symbol.asyncDispose]()
  await tested[Symbol.asyncDispose]()
})

const TRIES = 3

const consumer: Consumer = {
  name: 'tested.things',
  database,
  // Longer than the test: what fails is still waiting when the others are done.
  retryDelaysMs: [200, 600_000],
  timeoutMs: 300,
  log: quiet,
  reactions: [
    on(ThingChanged, async (tx, event) => {
      if (event.text === 'throws') throw new Error('always')
      if (event.text === 'refuses') throw new Problem('not-sellable')
      if (event.text === 'hangs') await new Promise(() => {})
      if (event.text === 'breaks') tx.send('select nothing')
      await leaveEffect(tx, event)
    })
  ]
}

const healthyKeys = Array.from({ length: 12 }, (_, index) => `healthy ${index}`)
const kinds = ['throws', 'refuses', 'hangs', 'breaks']

/** Every kind of poison in keys of its own, each with healthy messages behind it, and between them keys that are healthy throughout. */
function published(): Delivery[] {
  const deliveries: Delivery[] = []
  for (let n = 1; n <= 10; n++) {
    for (const key of healthyKeys) deliveries.push(delivered(key, n))
    if (n > TRIES) continue
    for (const kind of kinds) deliveries.push(delivered(kind, n, n === 1 ? { event: { text: kind } } : {}))
    deliveries.push(delivered('no json', n, n === 1 ? { body: '{' } : {}))
    deliveries.push(delivered('no schema', n, n === 1 ? { event: { n: 'one' } } : {}))
    deliveries.push(delivered('large', n, n === 1 ? { event: { text: 'x'.repeat(900_000), n: 0 } } : {}))
  }
  return deliveries
}

test('poison of every kind delays nothing but its own key: the others are done while it still waits', async () => {
  const effects = () => database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')
  const parked = () =>
    database.query<{ key: string; attempts: number }>('select key, attempts from parked_messages order by position')
  await broker.publish(published())
  await using _retries = startRetries(consumer)
  const handle = (delivery: Delivery) => consume(consumer, delivery)
  await using _ = await broker.subscribe({ group: consumer.name, topics: ['product.events'], concurrency: 4, handle })
  // What became a dead letter at once has let its key go on; what waits has its key waiting behind it.
  const passed = ['refuses', 'no json', 'no schema', 'large']
  const all = await eventually(effects, rows => rows.length >= healthyKeys.length * 10 + passed.length * (TRIES - 1))
  for (const key of healthyKeys)
    assert.deepEqual(
      all.filter(({ thing_id }) => thing_id === key).map(({ n }) => n),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    )
  for (const key of passed)
    assert.deepEqual(
      all.filter(({ thing_id }) => thing_id === key).map(({ n }) => n),
      [2, 3]
    )
  // What hangs is given up a little later than the others are done.
  const waiting = await eventually(parked, rows => rows.length >= 3 * TRIES)
  assert.deepEqual(
    waiting.map(({ key }) => key).sort(),
    ['breaks', 'hangs', 'throws'].flatMap(key => [key, key, key])
  )
  const letters = await database.query<{ key: string; reason: string }>('select key, reason from dead_letters order by key')
  assert.deepEqual(
    letters.map(({ key, reason }) => `${key}: ${reason}`),
    ['large: schema-invalid', 'no json: undecodable', 'no schema: schema-invalid', 'refuses: refused']
  )
})
