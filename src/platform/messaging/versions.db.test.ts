import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { Type } from 'typebox'
import type { Delivery } from '#broker/broker.ts'
import { nextVersion } from '#contracts/define.ts'
import { leaveEffect, openMessaging, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Transaction } from '../postgres/database.ts'
import { toMessage } from './cloudevents.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { decode, knownEvents } from './decode.ts'
import type { LoggedEvent } from './event-log.ts'
import { announce } from './outbox.ts'
import { startRetries } from './parking.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() => clear())
const clear = () => database.query('truncate effects, inbox, parked_messages, dead_letters, outbox')

/** `n` is called `count`, and every change has a label: published beside version 1 as long as anybody reads that. */
const beside = nextVersion(ThingChanged, {
  summary: 'A thing has changed, and how',
  data: Type.Object({ thingId: Type.String({ minLength: 1 }), count: Type.Integer({ minimum: 1 }), label: Type.String() }),
  upcast: ({ thingId, n, text }) => ({ thingId, count: n, label: text ?? 'none' }),
  downcast: ({ thingId, count, label }) => ({ thingId, n: count, text: label })
})
const { downcast: _, ...withoutDowncast } = beside.previous!
/** Published alone: nobody is left who reads only version 1. */
const alone: typeof beside = { ...beside, previous: withoutDowncast }
const third = nextVersion(beside, {
  summary: 'A thing has changed, and how, in capitals',
  data: Type.Object({ thingId: Type.String({ minLength: 1 }), count: Type.Integer(), loud: Type.String({ maxLength: 10 }) }),
  upcast: ({ thingId, count, label }) => ({ thingId, count, loud: label.toUpperCase() }),
  downcast: ({ thingId, count, loud }) => ({ thingId, count, label: loud })
})

type Counted = { thingId: string; count: number; label: string }
const consumer = (...reactions: Consumer['reactions']): Consumer => ({
  ...{ name: 'tested.things', reactions, database, retryDelaysMs: [1, 1, 1], log: quiet }
})
const leaveCount = (tx: Transaction, { thingId, count }: Counted) => leaveEffect(tx, { thingId, n: count })
const older = consumer(on(ThingChanged, leaveEffect))
const newer = consumer(on(beside, leaveCount))

const publish = {
  older: (thingId: string, n: number) => database.transact(async tx => announce(tx, ThingChanged, { thingId, n }, n)),
  newer: (thingId: string, count: number) =>
    database.transact(async tx => announce(tx, beside, { thingId, count, label: 'new' }, count)),
  alone: (thingId: string, count: number) =>
    database.transact(async tx => announce(tx, alone, { thingId, count, label: 'new' }, count))
}

/** What was announced since the last time, as a broker delivers it. */
async function deliveries(): Promise<Delivery[]> {
  const rows = await database.query<LoggedEvent>(
    `with taken as (delete from outbox returning *) select *, seq as position, '2026-11-22T10:00:00Z' as logged_at from taken order by seq`
  )
  return rows.map(row => ({ ...toMessage(row, '/tested-service', 'https://shop.example'), position: `test@${row.position}` }))
}

const effects = async () =>
  (await database.query<{ thing_id: string; n: number }>('select thing_id, n from effects')).map(
    ({ thing_id, n }) => `${thing_id} ${n}`
  )
const deadLetters = () => database.query<{ reason: string; last_error: string }>('select reason, last_error from dead_letters')

test('while old and new processes publish and consume side by side, in whatever order, every event takes effect exactly once', async () => {
  const age = fc.constantFrom('older', 'newer')
  const published = fc.array(fc.record({ by: age, thing: fc.constantFrom('a', 'b', 'c') }), { minLength: 1, maxLength: 8 })
  const delivered = fc.array(fc.record({ place: fc.nat(), to: age }), { minLength: 60, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(published, delivered, async (changes, drawn) => {
      await clear()
      for (const [index, { by, thing }] of changes.entries()) await publish[by as 'older' | 'newer'](thing, index + 1)
      const messages = await deliveries()
      const takes = (to: string) => (to === 'older' ? older : newer)
      // Every message twice, the second time perhaps by a process of the other age, all of them in any order.
      const twice = [...messages, ...messages]
        .map((message, index) => ({ message, ...drawn[index % drawn.length]! }))
        .sort((one, other) => one.place - other.place)
      for (const { message, to } of twice) assert.equal(await consume(takes(to), message), 'ack')
      const expected = changes.map(({ thing }, index) => `${thing} ${index + 1}`)
      assert.deepEqual((await effects()).sort(), expected.sort())
      assert.deepEqual(await deadLetters(), [])
    }),
    { numRuns: 25 }
  )
})

test('an event is published in each version that is read, the newest first, under one id by which they are known as the same', async () => {
  await database.transact(async tx => announce(tx, third, { thingId: 'a', count: 4, loud: 'HEY' }, 4))
  const messages = await deliveries()
  const events = messages.map(({ body }) => JSON.parse(Buffer.from(body).toString()))
  assert.deepEqual(
    events.map(({ eventVersion, count, n, loud, label, text }) => [eventVersion, count ?? n, loud ?? label ?? text]),
    [
      [3, 4, 'HEY'],
      [2, 4, 'HEY'],
      [1, 4, 'HEY']
    ]
  )
  assert.equal(new Set(messages.map(({ messageId }) => messageId)).size, 3)
  assert.deepEqual(
    events.map(({ sameAs }) => sameAs),
    [events[2].eventId, events[2].eventId, undefined]
  )
  assert.deepEqual(
    messages.map(({ routingKey, key, headers }) => [routingKey, key, headers.ce_dataschema]),
    [3, 2, 1].map(version => [`thing.changed.v${version}`, 'a', `https://shop.example/schemas/events/ThingChanged/${version}`])
  )
})

test('who reads several versions is given the newest, with all that it says', async () => {
  const labels: string[] = []
  const reading = consumer(on(beside, async (_, { label }) => labels.push(label)))
  await publish.older('a', 1)
  await publish.newer('a', 2)
  for (const message of await deliveries()) assert.equal(await consume(reading, message), 'ack')
  assert.deepEqual(labels, ['none', 'new'])
})

test('a version that is published alone is kept for those who do not know it yet, rather than lost', async () => {
  await publish.alone('a', 1)
  const [message] = await deliveries()
  for (const _ of [1, 2]) assert.equal(await consume(older, message!), 'ack')
  assert.deepEqual(await deadLetters(), [
    { reason: 'unknown-version', last_error: 'version 2 of ThingChanged is not read here, only 1' }
  ])
  assert.deepEqual(await effects(), [])
})

test('what an old process has parked is read by the new one that follows it', async () => {
  await publish.older('a', 1)
  await publish.newer('a', 2)
  const failing = consumer(on(ThingChanged, () => Promise.reject(new Error('not now'))))
  for (const message of await deliveries()) assert.equal(await consume(failing, message), 'ack')
  await using _retries = startRetries(newer)
  assert.deepEqual(await eventually(effects, found => found.length === 2), ['a 1', 'a 2'])
  assert.deepEqual(await deadLetters(), [])
})

test('an old event is read through every version since, unknown properties left to the casts', () => {
  const body = { eventType: 'ThingChanged', timestamp: '2026-11-22T10:00:00Z', thingId: 'a', n: 3, text: 'hey', colour: 'red' }
  const message = {
    topic: 'product.events',
    key: '',
    messageId: '',
    routingKey: '',
    headers: {},
    body: Buffer.from(JSON.stringify(body))
  }
  const decoded = decode(message, knownEvents([third]))
  assert.partialDeepStrictEqual(decoded, { kind: 'event', contract: third })
  const { eventId, ...event } = (decoded as { event: Record<string, unknown> }).event
  assert.deepEqual(event, {
    ...{ eventType: 'ThingChanged', eventVersion: 3, sequence: 1, source: 'product.events', timestamp: body.timestamp },
    ...{ thingId: 'a', count: 3, loud: 'HEY' }
  })
  const long = { ...message, body: Buffer.from(JSON.stringify({ ...body, text: 'x'.repeat(11) })) }
  assert.partialDeepStrictEqual(decode(long, knownEvents([third])), {
    ...{ kind: 'invalid', reason: 'schema-invalid' },
    error: 'version 1 cannot be read as 3: /loud must NOT have more than 10 characters'
  })
  const forgotten = { ...third, previous: undefined } as unknown as typeof third
  assert.partialDeepStrictEqual(decode(message, knownEvents([forgotten])), {
    ...{ kind: 'invalid', reason: 'unknown-version', error: 'version 1 of ThingChanged is not read here, only 3' }
  })
})
