import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { leaveEffect, openMessaging, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Transaction } from '../postgres/database.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { startRetries } from './parking.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() => database.query('truncate effects, inbox, parked_messages, dead_letters'))

type Thing = { thingId: string; n: number }
const consumerOf = (behaviour: (tx: Transaction, event: Thing) => Promise<unknown>): Consumer => ({
  ...{ name: 'tested.things', reactions: [on(ThingChanged, behaviour)], database, retryDelaysMs: [20, 20, 20, 20], log: quiet }
})

const data = (thingId: string, n: number) => ({ thingId, n })
const plain = (thingId: string, n: number) => ({
  eventType: 'ThingChanged',
  ...data(thingId, n),
  timestamp: '2026-11-22T10:00:00Z'
})

/** What a plain client library sends: a body, perhaps headers, and neither a key nor an id. */
const sent = (body: object | string, headers: Record<string, string> = {}) => ({
  ...{ topic: 'product.events', key: '', messageId: '', routingKey: '', headers, position: 'test@1' },
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
})
const attributes = (thingId: string, n: number) => ({
  ...{ specversion: '1.0', id: `${thingId}-${n}`, source: 'https://shop.example/things', type: 'com.example.thing.changed.v1' },
  time: '2026-11-22T10:00:00Z'
})
const structured = (thingId: string, n: number) =>
  sent({ ...attributes(thingId, n), data: data(thingId, n) }, { 'content-type': 'application/cloudevents+json' })
const binary = (thingId: string, n: number) =>
  sent(data(thingId, n), Object.fromEntries(Object.entries(attributes(thingId, n)).map(([name, value]) => [`ce_${name}`, value])))

const effects = async () =>
  (await database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')).map(
    ({ thing_id, n }) => `${thing_id} ${n}`
  )
const parkedKeys = async () =>
  (await database.query<{ key: string }>('select key from parked_messages order by position')).map(({ key }) => key)

test('a plain message takes effect once, however often it is sent; two that say different things are two', async () => {
  const consumer = consumerOf(leaveEffect)
  const messages = [plain('a', 1), plain('a', 1), plain('b', 1), { ...plain('a', 1), timestamp: '2026-11-22T10:00:01Z' }]
  for (const message of messages) assert.equal(await consume(consumer, sent(message)), 'ack')
  assert.deepEqual(await effects(), ['a 1', 'b 1', 'a 1'])
})

test('a CloudEvent takes effect once, in whichever mode it is sent again', async () => {
  const consumer = consumerOf(leaveEffect)
  for (const message of [structured('a', 1), binary('a', 1), structured('a', 2), binary('a', 2)])
    assert.equal(await consume(consumer, message), 'ack')
  assert.deepEqual(await effects(), ['a 1', 'a 2'])
})

for (const [what, message] of Object.entries({ plain: (id: string, n: number) => sent(plain(id, n)), structured, binary })) {
  test(`without a key from the broker, messages wait behind the one that failed about the same thing, others do not: ${what}`, async () => {
    let broken = true
    const consumer = consumerOf(async (tx, event) => {
      if (broken && event.thingId === 'a') throw new Error('not now')
      await leaveEffect(tx, event)
    })
    for (const n of [1, 2, 3]) for (const id of ['a', 'b']) assert.equal(await consume(consumer, message(id, n)), 'ack')
    assert.deepEqual(await effects(), ['b 1', 'b 2', 'b 3'])
    assert.deepEqual(await parkedKeys(), ['a', 'a', 'a'])
    broken = false
    await using _retries = startRetries(consumer)
    await eventually(effects, found => found.length === 6)
    assert.deepEqual(await effects(), ['b 1', 'b 2', 'b 3', 'a 1', 'a 2', 'a 3'])
  })
}

test('what is invalid becomes a dead letter under the key that it says, with every byte and header as it was sent', async () => {
  const consumer = consumerOf(() => assert.fail('nobody may see it'))
  const letters: [Parameters<typeof consume>[1], string, string, RegExp][] = [
    [sent({ ...plain('a', 1), n: 'one' }), 'a', 'schema-invalid', /\/n must be integer/],
    [sent({ ...plain('a', 2), eventId: 'e1' }, { ce_id: 'e2' }), 'a', 'schema-invalid', /id is "e2", the body's eventId is "e1"/],
    [
      sent([attributes('a', 1)], { 'content-type': 'application/cloudevents-batch+json' }),
      '',
      'undecodable',
      /a batch of CloudEvents/
    ],
    [sent('{"orderId":'), '', 'undecodable', /not a JSON object/]
  ]
  for (const [message, key, reason, error] of letters) {
    for (const _ of [1, 2]) assert.equal(await consume(consumer, message), 'ack')
    const rows = await database.query<{ last_error: string; body: Buffer }>(
      'with taken as (delete from dead_letters returning *) select key, reason, headers, last_error, body from taken'
    )
    assert.partialDeepStrictEqual(rows, [{ key, reason, headers: message.headers }])
    assert.match(rows[0]!.last_error, error)
    assert.ok(rows[0]!.body.equals(message.body))
  }
})
