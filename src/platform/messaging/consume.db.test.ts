import assert from 'node:assert/strict'
import { after, beforeEach, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Problem } from '#contracts/problems.ts'
import {
  change,
  delivered,
  GATE,
  leaveEffect,
  openMessaging,
  openTested,
  quiet,
  startPart,
  ThingChanged
} from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Transaction } from '../postgres/database.ts'
import { registry } from '../telemetry.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'

const tested = await openMessaging()
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() => database.query('truncate effects, inbox, parked_messages, dead_letters, outbox, things, changes'))

type Thing = { thingId: string; n: number; text?: string }
type Behaviour = (tx: Transaction, event: Thing) => Promise<unknown>

const consumerOf = (behaviour: Behaviour, more: Partial<Consumer> = {}): Consumer => ({
  name: 'tested.things',
  reactions: [on(ThingChanged, behaviour)],
  database,
  retryDelaysMs: [60_000],
  log: quiet,
  ...more
})
const effects = async () =>
  (await database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')).map(
    ({ thing_id, n }) => `${thing_id} ${n}`
  )
const parked = () => database.query('select key, attempts, first_error, last_error from parked_messages order by position')
const deadLetters = () => database.query('select key, reason, attempts, last_error from dead_letters order by dead_letter_id')
const nothing = async () => [...(await parked()), ...(await deadLetters()), ...(await effects())]
const times = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, index) => make(index + 1))

suite('an event takes effect once', () => {
  test('though it is delivered twenty times at once to each of two processes', async () => {
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`
    const parts = await admin.transact(async tx => {
      await tx.query('select pg_advisory_xact_lock($1)', [GATE])
      const parts = [1, 2].map(() => startPart('consume', tested.url, 'stormy', '1', '10', '20'))
      await eventually(
        () => admin.query(waiting),
        rows => rows.length === 2
      )
      return parts
    })
    assert.deepEqual(await Promise.all(parts.map(part => part.ended)), [0, 0])
    assert.deepEqual((await effects()).toSorted(), times(10, n => `stormy ${n}`).toSorted())
    assert.deepEqual([...(await parked()), ...(await deadLetters())], [])
  })

  test('though the process is killed before it could acknowledge', async () => {
    const total = 60
    for (let from = 1, kills = 0; from <= total; ) {
      await using part = startPart('consume', tested.url, 'killed', String(from), String(total), '1')
      if (kills++ < 4) {
        await eventually(
          async () => part.lines.length,
          length => length > 3
        )
        await delay(Math.random() * 10)
        await part.kill()
      } else await part.ended
      from = Number(part.lines.at(-1) ?? from - 1) + 1
    }
    assert.deepEqual(
      await effects(),
      times(total, n => `killed ${n}`)
    )
  })

  test('though it has no id, for it is known by what it says', async () => {
    const consumer = consumerOf(leaveEffect)
    const timestamp = '2026-11-22T10:00:00.000Z'
    const bodies = [
      `{"eventType":"ThingChanged","timestamp":"${timestamp}","thingId":"plain","n":1}`,
      `{ "n": 1, "thingId": "plain",\n  "timestamp": "${timestamp}", "eventType": "ThingChanged" }`
    ]
    for (const body of [...bodies, ...bodies]) assert.equal(await consume(consumer, delivered('plain', 1, { body })), 'ack')
    const other = `{"eventType":"ThingChanged","timestamp":"${timestamp}","thingId":"plain","n":2}`
    assert.equal(await consume(consumer, delivered('plain', 2, { body: other })), 'ack')
    assert.deepEqual(await effects(), ['plain 1', 'plain 2'])
  })

  test('per consumer and per source: others have ids of their own', async () => {
    for (const name of ['tested.one', 'tested.other'])
      for (const source of ['/a', '/b'])
        for (const _ of [1, 2]) await consume(consumerOf(leaveEffect, { name }), delivered('a', 1, { event: { source } }))
    assert.equal((await effects()).length, 4)
  })

  test('or not at all: what its behaviour did before it failed is undone', async () => {
    const consumer = consumerOf(async (tx, event) => {
      await leaveEffect(tx, event)
      await change(tx, 'caused')
      throw new Error('too late')
    })
    assert.equal(await consume(consumer, delivered('a', 1)), 'ack')
    assert.deepEqual([await effects(), await database.query('select * from outbox')], [[], []])
  })
})

test('messages of one key are handled one at a time, whoever gets them; those of others meanwhile', async () => {
  const handling: string[] = []
  let most = 0
  const consumer = consumerOf(async (tx, event) => {
    assert.ok(!handling.includes(event.thingId))
    handling.push(event.thingId)
    most = Math.max(most, handling.length)
    await tx.query('select pg_sleep(0.02)')
    handling.splice(handling.indexOf(event.thingId), 1)
    await leaveEffect(tx, event)
  })
  const deliveries = [1, 2, 3].flatMap(n => ['a', 'b'].map(key => delivered(key, n)))
  await Promise.all(deliveries.map(delivery => consume(consumer, delivery)))
  assert.deepEqual([await parked(), (await effects()).length, most], [[], 6, 2])
})

suite('what can never succeed', () => {
  const event = { eventType: 'ThingChanged', timestamp: '2026-11-22T10:00:00.000Z', thingId: 'a', n: 1 }
  const poison: [string, string | Uint8Array, string][] = [
    ['no JSON', 'hello', 'undecodable'],
    ['invalid UTF-8', Buffer.from(JSON.stringify({ ...event, text: 'ä' }), 'latin1'), 'undecodable'],
    ['an array', '[1]', 'undecodable'],
    ['nothing', '', 'undecodable'],
    ['no type', '{"thingId":"a"}', 'schema-invalid'],
    ['another schema', JSON.stringify({ ...event, n: 'one' }), 'schema-invalid'],
    ['an id too long', JSON.stringify({ ...event, eventId: 'x'.repeat(100_000) }), 'schema-invalid'],
    ['a source too long', JSON.stringify({ ...event, source: 'x'.repeat(100_000) }), 'schema-invalid'],
    ['ten megabytes', JSON.stringify({ ...event, n: 'x'.repeat(10_000_000) }), 'schema-invalid']
  ]
  for (const [what, body, reason] of poison) {
    test(`becomes a dead letter at once and is acknowledged: ${what}`, async () => {
      const consumer = consumerOf(() => assert.fail('nobody may see it'))
      for (const _ of [1, 2]) assert.equal(await consume(consumer, delivered('a', 1, { body })), 'ack')
      const rows = await database.query<{ reason: string; body: Buffer; attempts: number }>('select * from dead_letters')
      assert.deepEqual(
        rows.map(({ reason, body, attempts }) => [reason, body.equals(Buffer.from(body)), attempts]),
        [[reason, true, 1]]
      )
    })
  }

  test('becomes a dead letter at once when its behaviour refuses for good', async () => {
    const refusing = (problem: Problem) => consumerOf(() => Promise.reject(problem))
    await consume(refusing(new Problem('not-sellable', 'It is archived')), delivered('a', 1))
    await consume(refusing(new Problem('commit-refused')), delivered('b', 1))
    assert.deepEqual(await deadLetters(), [
      { key: 'a', reason: 'refused', attempts: 1, last_error: 'not-sellable: It is archived' },
      { key: 'b', reason: 'commit-refused', attempts: 1, last_error: 'commit-refused: The order is complete but its stock is gone' }
    ])
    assert.deepEqual([await parked(), await effects()], [[], []])
  })

  test('goes to the dead letters of the broker when the database cannot even store it', async () => {
    const failing = consumerOf(() => Promise.reject(new Error('not now')))
    assert.equal(await consume(failing, delivered('a', 1, { headers: { note: 'zero \u0000 byte' } })), 'dead-letter')
    const zero = delivered('a', 1, { event: { eventId: 'zero \u0000 byte' } })
    assert.equal(await consume(consumerOf(leaveEffect), zero), 'dead-letter')
    const key = Array.from({ length: 1000 }, () => Math.random().toString(36)).join('')
    assert.equal(await consume(failing, { ...delivered('a', 2), key }), 'dead-letter')
    assert.deepEqual(await nothing(), [])
  })
})

suite('what fails for now', () => {
  test('is parked and acknowledged, whatever its error says', async () => {
    const errors = [
      new Error('no connection to the warehouse'),
      new Problem('insufficient-stock'),
      new Error('zero \u0000 byte'),
      new Error('\ud800'),
      'a string',
      undefined
    ]
    for (const [index, error] of errors.entries()) {
      const verdict = await consume(
        consumerOf(() => Promise.reject(error)),
        delivered(`key ${index}`, 1)
      )
      assert.equal(verdict, 'ack')
    }
    const rows = await parked()
    assert.deepEqual(
      rows.map(({ attempts, last_error }) => [attempts, last_error]),
      [
        'Error: no connection to the warehouse',
        'insufficient-stock: There is not enough stock',
        'Error: zero \ufffd byte',
        'Error: \ufffd',
        'a string',
        'undefined'
      ].map(error => [1, error])
    )
  })

  test('has the next messages of its key wait behind it, in order, while other keys flow', async () => {
    let broken = true
    const consumer = consumerOf(async (tx, event) => {
      if (broken && event.thingId === 'a') throw new Error('not now')
      await leaveEffect(tx, event)
    })
    for (const n of [1, 2, 3]) for (const key of ['a', 'b']) assert.equal(await consume(consumer, delivered(key, n)), 'ack')
    broken = false
    assert.equal(await consume(consumer, delivered('a', 4)), 'ack')
    for (const n of [1, 2, 3, 4]) assert.equal(await consume(consumer, delivered('a', n)), 'ack')
    assert.deepEqual(await effects(), ['b 1', 'b 2', 'b 3'])
    const rows = await database.query<{ body: string; attempts: number }>(
      `select message ->> 'body' as body, attempts from parked_messages order by position`
    )
    assert.deepEqual(
      rows.map(({ body, attempts }) => [JSON.parse(Buffer.from(body, 'base64').toString()).n, attempts]),
      [
        [1, 1],
        [2, 0],
        [3, 0],
        [4, 0]
      ]
    )
  })

  test('includes what takes too long: it is parked rather than delivered again for ever', async () => {
    const consumer = consumerOf(async tx => {
      tx.send(`set local statement_timeout = '20ms'`)
      await tx.query('select pg_sleep(10)')
    })
    assert.equal(await consume(consumer, delivered('slow', 1)), 'ack')
    assert.deepEqual(await parked(), [
      {
        key: 'slow',
        attempts: 1,
        first_error: 'error: canceling statement due to statement timeout',
        last_error: 'error: canceling statement due to statement timeout'
      }
    ])
  })

  test("includes what never comes back: what it did is undone, and what it does later is nobody's", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const late = Promise.withResolvers<unknown>()
    const consumer = consumerOf(
      async (tx, event) => {
        await leaveEffect(tx, event)
        await released
        late.resolve(leaveEffect(tx, event).catch(error => error.message))
      },
      { timeoutMs: 100 }
    )
    assert.equal(await consume(consumer, delivered('stuck', 1)), 'ack')
    assert.equal(await consume(consumerOf(leaveEffect), delivered('other', 1)), 'ack')
    release()
    assert.equal(await late.promise, 'the transaction has ended')
    const error = 'TimedOut: it was not handled within 100 ms'
    assert.deepEqual(await parked(), [{ key: 'stuck', attempts: 1, first_error: error, last_error: error }])
    assert.deepEqual(await effects(), ['other 1'])
  })

  test('becomes a dead letter where there are no further tries', async () => {
    const consumer = consumerOf(() => Promise.reject(new Error('no')), { retryDelaysMs: [] })
    assert.equal(await consume(consumer, delivered('a', 1)), 'ack')
    assert.deepEqual(await deadLetters(), [{ key: 'a', reason: 'retries-exhausted', attempts: 1, last_error: 'Error: no' }])
  })
})

test('while the database is away an event is asked for again, and leaves neither a parked message nor a dead letter', async () => {
  await using breaking = openTested(`${tested.url}?application_name=breaking`, 1)
  const terminated = consumerOf(
    async (tx, event) => {
      await leaveEffect(tx, event)
      await admin.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'breaking'`)
    },
    { database: breaking }
  )
  assert.equal(await consume(terminated, delivered('a', 1)), 'retry')
  await using nowhere = openTested('postgres://nobody:nothing@127.0.0.1:1/nothing', 1)
  for (const body of [undefined, 'poison'])
    assert.equal(await consume(consumerOf(leaveEffect, { database: nowhere }), delivered('a', 1, body ? { body } : {})), 'retry')
  assert.deepEqual(await nothing(), [])
  assert.equal(await consume(consumerOf(leaveEffect), delivered('a', 1)), 'ack')
  assert.deepEqual(await effects(), ['a 1'])
})

test('what an event causes belongs to its trace; a trace that is malformed or missing begins anew', async () => {
  const consumer = consumerOf((tx, { thingId }) => change(tx, thingId))
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`
  const wellFormed = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/
  const caused = async (headers: Record<string, string>, n: number) => {
    await consume(consumer, delivered('a', n, { headers }))
    const [row] = await database.query<{ traceparent: string }>('select traceparent from outbox order by seq desc limit 1')
    const [, id] = wellFormed.exec(row!.traceparent) ?? assert.fail(row!.traceparent)
    return id
  }
  assert.equal(await caused({ traceparent }, 1), traceId)
  assert.equal(await caused({ ce_traceparent: traceparent }, 2), traceId)
  for (const [index, headers] of [
    {},
    { traceparent: 'zero \u0000 byte' },
    { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }
  ].entries())
    assert.notEqual(await caused(headers as Record<string, string>, 3 + index), traceId)
})

test('what nothing reacts to is acknowledged, forgotten, and counted under no name of its own', async () => {
  const body = JSON.stringify({ eventType: 'SomebodyElses', eventId: 'x', timestamp: 'never' })
  assert.equal(await consume(consumerOf(leaveEffect), delivered('a', 1, { body })), 'ack')
  assert.deepEqual(await database.query('select * from inbox'), [])
  const metrics = await registry.metrics()
  assert.match(metrics, /messaging_consumed_messages_total\{consumer="tested.things",type="unknown",outcome="ignored"\} 1/)
  assert.doesNotMatch(metrics, /SomebodyElses/)
})
