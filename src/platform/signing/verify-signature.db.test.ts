import assert from 'node:assert/strict'
import { after, beforeEach, suite, test } from 'node:test'
import type { Delivery } from '#broker/broker.ts'
import { type Key, newKey, signatureOf, startKeyPublisher } from '../../../test/support/key-publisher.ts'
import { delivered, leaveEffect, openMessaging, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually as until } from '../../../test/support/world.ts'
import { consume } from '../messaging/consume.ts'
import { type Consumer, on } from '../messaging/consumer.ts'
import { startRetries } from '../messaging/parking.ts'
import { replayDeadLetter } from '../messaging/resolve-dead-letters.ts'
import { registry } from '../telemetry.ts'
import { openSignatureCheck } from './signature-check.ts'

const tested = await openMessaging()
after(() => tested[Symbol.asyncDispose]())
const { database } = tested
beforeEach(() => database.query('truncate effects, inbox, parked_messages, dead_letters, trusted_key_sets'))

/** So that minutes of waiting pass in a second. */
const FASTER = 600

async function opened(...keys: Key[]) {
  const publisher = await startKeyPublisher(...keys)
  const consumer = (more: Partial<Consumer> = {}, keyWaitMs = 60_000): Consumer => ({
    name: 'tested.things',
    reactions: [on(ThingChanged, leaveEffect)],
    database,
    retryDelaysMs: [50, 50, 50, 50, 50, 50],
    log: quiet,
    signatures: openSignatureCheck({
      policies: { 'product.events': 'require' },
      sources: [{ source: '/things', topic: 'product.events', configured: '', url: () => publisher.url }],
      database,
      log: quiet,
      now: () => performance.now() * FASTER,
      keyWaitMs
    }),
    ...more
  })
  return { publisher, consumer, [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose]() }
}

function signed(key: Key, thingId: string, n: number): Delivery {
  const delivery = delivered(thingId, n, { event: { source: '/things' } })
  return { ...delivery, headers: { ce_signature: signatureOf(key, delivery.body) } }
}

const effects = async () =>
  (await database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')).map(
    ({ thing_id, n }) => `${thing_id} ${n}`
  )
const parked = async () => (await database.query<{ count: number }>('select count(*) as count from parked_messages'))[0]!.count
const deadLetters = async () =>
  (await database.query<{ reason: string }>('select reason from dead_letters order by dead_letter_id')).map(({ reason }) => reason)
/** What waits is due again and again, as time goes by, until the answer is as wanted. */
const eventually = <Answer>(ask: () => Promise<Answer>, wanted: (answer: Answer) => boolean) =>
  until(async () => {
    await database.query('update parked_messages set next_at = now() where next_at > now()')
    return ask()
  }, wanted)

suite('an event whose key is not published yet', () => {
  test('is parked, the next ones of its key behind it, and takes effect in order once the key is there', async () => {
    const [first, second] = [newKey(), newKey()]
    await using things = await opened(first)
    const consumer = things.consumer()
    assert.equal(await consume(consumer, signed(first, 'a', 1)), 'ack')
    for (const delivery of [signed(second, 'a', 2), signed(second, 'a', 3), signed(first, 'a', 4), signed(first, 'b', 1)])
      for (const _ of [1, 2]) assert.equal(await consume(consumer, delivery), 'ack')
    assert.deepEqual([await effects(), await parked(), await deadLetters()], [['a 1', 'b 1'], 3, []])

    await using _ = startRetries(consumer)
    things.publisher.keys.push(second.jwk)
    await eventually(parked, count => count === 0)
    assert.deepEqual([await effects(), await deadLetters()], [['a 1', 'b 1', 'a 2', 'a 3', 'a 4'], []])
    assert.equal(await consume(consumer, signed(second, 'a', 2)), 'ack')
    assert.equal((await effects()).length, 5)
  })

  test('becomes a dead letter when it is not published in time, and its key goes on', async () => {
    const [known, unknown] = [newKey(), newKey()]
    await using things = await opened(known)
    const consumer = things.consumer({}, 200)
    await consume(consumer, signed(unknown, 'a', 1))
    await consume(consumer, signed(known, 'a', 2))
    assert.deepEqual([await effects(), await parked()], [[], 2])
    await using _ = startRetries(consumer)
    await eventually(effects, found => found.length > 0)
    assert.deepEqual([await effects(), await deadLetters(), await parked()], [['a 2'], ['signature-unknown-key'], 0])
  })

  test('waits without any limit while nobody can say which keys there are', async () => {
    const key = newKey()
    await using things = await opened(key)
    things.publisher.answer = response => void response.writeHead(503).end()
    const consumer = things.consumer({}, 1)
    await consume(consumer, signed(key, 'a', 1))
    await using _ = startRetries(consumer)
    await eventually(
      () =>
        database.query<{ waited: boolean }>(`select awaits_key_since < now() - interval '1 second' as waited from parked_messages`),
      ([row]) => row?.waited === true
    )
    assert.deepEqual([await effects(), await deadLetters()], [[], []])
    things.publisher.answer = undefined
    await eventually(effects, found => found.length === 1)
    assert.deepEqual([await deadLetters(), await parked()], [[], 0])
  })

  test('takes no tries from those that it has for its behaviour', async () => {
    const [known, late] = [newKey(), newKey()]
    await using things = await opened(known)
    const consumer = things.consumer({ retryDelaysMs: [] })
    await consume(consumer, signed(late, 'a', 1))
    await using _ = startRetries(consumer)
    await eventually(
      async () => things.publisher.asked,
      asked => asked > 3
    )
    assert.deepEqual(await database.query('select attempts from parked_messages'), [{ attempts: 0 }])
    things.publisher.keys.push(late.jwk)
    await eventually(effects, found => found.length === 1)
    assert.deepEqual([await deadLetters(), await parked()], [[], 0])
  })
})

suite('nothing that anybody can forge takes the place of the genuine event', () => {
  test('not one that is refused, under the id of an event that is still to come', async () => {
    const [genuine, forger] = [newKey(), newKey()]
    await using things = await opened(genuine)
    const consumer = things.consumer()
    const event = signed(genuine, 'a', 1)
    const forged: Delivery[] = [
      { ...event, headers: {} },
      { ...event, headers: { ce_signature: signatureOf({ ...forger, kid: genuine.kid }, event.body) } },
      { ...event, body: Buffer.from('{"eventId":"a-1","eventType":"ThingChanged","source":"/things"}') },
      { ...event, headers: { ...event.headers, ce_partitionkey: 'b' } }
    ]
    for (const each of forged) for (const _ of [1, 2]) assert.equal(await consume(consumer, each), 'ack')
    assert.deepEqual(await deadLetters(), ['signature-missing', 'signature-invalid', 'signature-invalid', 'signature-mismatch'])
    assert.equal(await consume(consumer, event), 'ack')
    assert.deepEqual(await effects(), ['a 1'])
  })

  test('nor one that waits for a key, whichever of the two is verified first', async () => {
    const [genuine, late] = [newKey(), newKey()]
    await using things = await opened(genuine)
    const consumer = things.consumer({}, 200)
    await consume(consumer, signed(late, 'a', 1))
    await consume(consumer, signed(genuine, 'a', 1))
    await consume(consumer, signed(late, 'b', 1))
    await database.query(`delete from parked_messages where key = 'b' and claimed`)
    await using _ = startRetries(consumer)
    await eventually(parked, count => count === 0)
    assert.deepEqual([await effects(), await deadLetters()], [['a 1'], ['signature-unknown-key', 'signature-unknown-key']])
  })

  test('and one that turns out genuine after its copy has been applied is a duplicate', async () => {
    const [first, second] = [newKey(), newKey()]
    await using things = await opened(first)
    const consumer = things.consumer()
    // Signed again with another key, as after a rotation between publishing and moving the cursor.
    await consume(consumer, signed(second, 'a', 1))
    await database.query(`update parked_messages set key = 'elsewhere'`)
    await consume(consumer, signed(first, 'a', 1))
    assert.deepEqual(await effects(), ['a 1'])
    await using _ = startRetries(consumer)
    things.publisher.keys.push(second.jwk)
    await eventually(parked, count => count === 0)
    assert.deepEqual([await effects(), await deadLetters()], [['a 1'], []])
  })
})

suite('what was believed once is verified again whenever it is handled', () => {
  const failing = (state: { broken: boolean }) => [
    on(ThingChanged, async (tx, event) => {
      if (state.broken) throw new Error('not now')
      await leaveEffect(tx, event)
    })
  ]

  test('a parked message survives a rotation', async () => {
    const [first, second] = [newKey(), newKey()]
    await using things = await opened(first)
    const state = { broken: true }
    const consumer = things.consumer({ reactions: failing(state), retryDelaysMs: [60_000, 50] })
    await consume(consumer, signed(first, 'a', 1))
    things.publisher.keys = [second.jwk, first.jwk]
    state.broken = false
    await consume(consumer, signed(second, 'a', 2))
    await using _ = startRetries(consumer)
    await eventually(parked, count => count === 0)
    assert.deepEqual([await effects(), await deadLetters()], [['a 1', 'a 2'], []])
  })

  test('a parked message whose key was revoked meanwhile becomes a dead letter, and no replay helps it', async () => {
    const [first, second] = [newKey(), newKey()]
    await using things = await opened(first)
    const state = { broken: true }
    const started = () => things.consumer({ reactions: failing(state) }, 200)
    await consume(started(), signed(first, 'a', 1))
    things.publisher.keys = [second.jwk]
    state.broken = false
    // Whoever begins now asks for the keys first; whoever runs, within minutes.
    const consumer = started()
    await using _ = startRetries(consumer)
    await eventually(deadLetters, found => found.length === 1)
    assert.deepEqual([await effects(), await deadLetters(), await parked()], [[], ['signature-unknown-key'], 0])

    const [letter] = await database.query<{ id: string }>('select dead_letter_id as id from dead_letters')
    const replayed = await replayDeadLetter(database, [consumer], letter!.id, 'somebody')
    assert.deepEqual([replayed.status, replayed.lastError.includes(first.kid), await effects()], ['open', true, []])
  })

  test('a dead letter of a key that is published after all is replayed once, and not again beside a copy that came meanwhile', async () => {
    const key = newKey()
    await using things = await opened()
    for (const [thingId, copied] of [
      ['a', false],
      ['b', true]
    ] as const) {
      await database.query('truncate dead_letters, effects, inbox')
      things.publisher.keys = []
      {
        const consumer = things.consumer({}, 1)
        await consume(consumer, signed(key, thingId, 1))
        await using _ = startRetries(consumer)
        await eventually(deadLetters, found => found.length === 1)
      }
      things.publisher.keys = [key.jwk]
      const fresh = things.consumer()
      if (copied) await consume(fresh, signed(key, thingId, 1))
      const [letter] = await database.query<{ id: string }>('select dead_letter_id as id from dead_letters')
      const { status } = await replayDeadLetter(database, [fresh], letter!.id, 'somebody')
      assert.equal(status, 'replayed')
      await consume(fresh, signed(key, thingId, 1))
      assert.deepEqual(await effects(), [`${thingId} 1`])
    }
  })
})

test('what is refused is counted by consumer and reason, and what nobody signed where it need not be', async () => {
  await using things = await opened(newKey())
  const consumer = things.consumer({ name: 'tested.counted' })
  await consume(consumer, delivered('a', 1))
  const check = openSignatureCheck({ policies: { 'product.events': 'warn' }, sources: [], database, log: quiet })
  await consume({ ...consumer, signatures: check }, delivered('a', 2))
  const metrics = await registry.metrics()
  assert.match(metrics, /messaging_signature_failures_total\{consumer="tested.counted",reason="signature-missing"\} 1/)
  assert.match(metrics, /messaging_unsigned_messages_total\{consumer="tested.counted"\} 1/)
  assert.deepEqual(await effects(), ['a 2'])
})
