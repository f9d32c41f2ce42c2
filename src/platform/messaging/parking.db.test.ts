import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '#contracts/problems.ts'
import { change, delivered, leaveEffect, openMessaging, openTested, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Transaction } from '../postgres/database.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { startRetries } from './parking.ts'

const tested = await openMessaging()
const { database, admin } = tested
const clear = () => database.query('truncate effects, inbox, parked_messages, dead_letters, outbox, things, changes')
after(() => tested[Symbol.asyncDispose]())
beforeEach(clear)

type Thing = { thingId: string; n: number }

const consumerOf = (behaviour: (tx: Transaction, event: Thing) => Promise<unknown>, more: Partial<Consumer> = {}): Consumer => ({
  name: 'tested.things',
  reactions: [on(ThingChanged, behaviour)],
  database,
  retryDelaysMs: [5, 5, 5],
  log: quiet,
  ...more
})
const effects = async () =>
  (await database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')).map(
    ({ thing_id, n }) => `${thing_id} ${n}`
  )
type Parked = { key: string; attempts: number; first_error: string; last_error: string; due_in_ms: number }
const parked = () =>
  database.query<Parked>(
    `select key, attempts, first_error, last_error, extract(epoch from next_at - now())::float * 1000 as due_in_ms
     from parked_messages order by position`
  )
const noneParked = () => eventually(parked, rows => rows.length === 0)
type Letter = { key: string; event_id: string; reason: string; attempts: number; first_error: string; last_error: string }
const deadLetters = () =>
  database.query<Letter>(
    'select key, event_id, reason, attempts, first_error, last_error from dead_letters order by dead_letter_id'
  )

/** Fails each change so many times; those not named succeed at once. */
function failing(failures: Record<string, number>) {
  const left = { ...failures }
  return async (tx: Transaction, event: Thing) => {
    const name = `${event.thingId} ${event.n}`
    left[name] = (left[name] ?? 0) - 1
    await leaveEffect(tx, event)
    if (left[name]! >= 0) throw new Error(`${name}: ${left[name]} to go`)
  }
}

test('a parked message is tried until it succeeds, and those behind it follow in order', async () => {
  const consumer = consumerOf(failing({ 'a 1': 3, 'a 3': 2 }))
  for (const n of [1, 2, 3, 4]) await consume(consumer, delivered('a', n))
  assert.deepEqual(await effects(), [])
  await using _ = startRetries(consumer)
  await noneParked()
  assert.deepEqual(await effects(), ['a 1', 'a 2', 'a 3', 'a 4'])
  assert.deepEqual(await deadLetters(), [])
  // Nothing waits any more, so the key flows.
  await consume(consumer, delivered('a', 5))
  assert.deepEqual((await effects()).at(-1), 'a 5')
})

test('a message that fails only as its transaction ends is kept like any other', async () => {
  let fails = 3
  const consumer = consumerOf(async (tx, event) => {
    await leaveEffect(tx, event)
    if (fails-- > 0) tx.send('select nothing')
  })
  await consume(consumer, delivered('a', 1))
  await using _ = startRetries(consumer)
  await noneParked()
  assert.deepEqual([await effects(), await deadLetters()], [['a 1'], []])
})

test('a message that has a pause of its own waits for its end, though the one before it is done', async () => {
  const consumer = consumerOf(failing({ 'a 1': 1, 'b 1': 2 }))
  for (const n of [1, 2]) await consume(consumer, delivered('a', n))
  await consume(consumer, delivered('b', 1))
  await database.query(`update parked_messages set next_at = now() + interval '1 hour' where attempts = 0`)
  await using _ = startRetries(consumer)
  await eventually(effects, all => all.includes('b 1'))
  assert.deepEqual(await effects(), ['a 1', 'b 1'])
})

test('what exhausts its tries becomes a dead letter with its first and its last error, and its key goes on', async () => {
  const consumer = consumerOf(failing({ 'a 1': 4, 'a 2': 9, 'b 1': 3 }))
  for (const n of [1, 2, 3]) for (const key of ['a', 'b']) await consume(consumer, delivered(key, n))
  await using _ = startRetries(consumer)
  await noneParked()
  const [first, second, ...others] = await deadLetters()
  assert.deepEqual(others, [])
  const letter = { key: 'a', reason: 'retries-exhausted', attempts: 4 }
  assert.deepEqual(first, { ...letter, event_id: 'a-1', first_error: 'Error: a 1: 3 to go', last_error: 'Error: a 1: 0 to go' })
  assert.deepEqual(second, { ...letter, event_id: 'a-2', first_error: 'Error: a 2: 8 to go', last_error: 'Error: a 2: 5 to go' })
  const all = await effects()
  assert.deepEqual(
    all.filter(effect => effect.startsWith('a')),
    ['a 3']
  )
  assert.deepEqual(
    all.filter(effect => effect.startsWith('b')),
    ['b 1', 'b 2', 'b 3']
  )
})

test('pauses between tries are those of the consumer, give or take a fifth', async () => {
  const consumer = consumerOf(() => Promise.reject(new Error('no')), { retryDelaysMs: [20, 1000, 30_000] })
  await consume(consumer, delivered('a', 1))
  await using _ = startRetries(consumer)
  const waited = async (attempts: number) => {
    const [row] = await eventually(parked, ([row]) => row?.attempts === attempts)
    return row!.due_in_ms
  }
  const second = await waited(2)
  assert.ok(second > 0 && second < 1200, `${second}`)
  const third = await waited(3)
  assert.ok(third > 23_000 && third < 36_000, `${third}`)
})

test('a refusal for good ends the tries at once', async () => {
  let refuses = false
  const consumer = consumerOf(async () => {
    throw refuses ? new Problem('not-sellable') : new Error('not now')
  })
  await consume(consumer, delivered('a', 1))
  refuses = true
  await using _ = startRetries(consumer)
  await noneParked()
  const [letter] = await deadLetters()
  assert.partialDeepStrictEqual(letter, { reason: 'refused', attempts: 2, first_error: 'Error: not now' })
})

test('a message that no longer matches its contract becomes a dead letter rather than vanish', async () => {
  const consumer = consumerOf(() => Promise.reject(new Error('not now')))
  await consume(consumer, delivered('a', 1))
  const strange = Buffer.from(JSON.stringify({ eventType: 'ThingChanged', eventId: 'a-1', thingId: 'a', n: 'one' })).toString(
    'base64'
  )
  await database.query(`update parked_messages set message = jsonb_set(message, '{body}', to_jsonb($1::text))`, [strange])
  await using _ = startRetries(consumer)
  await noneParked()
  const [letter] = await deadLetters()
  assert.partialDeepStrictEqual(letter, { reason: 'schema-invalid', event_id: 'a-1', attempts: 2 })
  assert.match(letter!.last_error, /\/n must be integer/)
})

test('what is tried again belongs to the trace of its message', async () => {
  let broken = true
  const consumer = consumerOf(async (tx, { thingId }) => {
    if (broken) throw new Error('not now')
    await change(tx, thingId)
  })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  await consume(consumer, delivered('a', 1, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } }))
  broken = false
  await using _ = startRetries(consumer)
  await noneParked()
  const [row] = await database.query<{ traceparent: string }>('select traceparent from outbox')
  assert.equal(row!.traceparent.slice(3, 35), traceId)
})

test('a message whose tries take too long holds up no other key', async () => {
  const consumer = consumerOf(async (tx, event) => {
    if (event.n === 2) return leaveEffect(tx, event)
    tx.send(`set local statement_timeout = '50ms'`)
    await tx.query('select pg_sleep(10)')
  })
  for (const key of ['a', 'b']) for (const n of [1, 2]) await consume(consumer, delivered(key, n))
  await using _ = startRetries(consumer)
  await noneParked()
  assert.deepEqual((await effects()).toSorted(), ['a 2', 'b 2'])
  assert.equal((await deadLetters()).length, 2)
})

test('a key that is being handled elsewhere is passed over, and its turn comes', async () => {
  const consumer = consumerOf(failing({ 'a 1': 1, 'b 1': 1 }))
  for (const key of ['a', 'b']) await consume(consumer, delivered(key, 1))
  await using _ = startRetries(consumer)
  await database.transact(async tx => {
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('tested.things a', 1))`)
    await eventually(effects, all => all.length === 1)
    assert.deepEqual(await effects(), ['b 1'])
  })
  await noneParked()
  assert.deepEqual(await effects(), ['b 1', 'a 1'])
})

test('a key with a long queue does not keep the others waiting for it', async () => {
  const consumer = consumerOf(failing({ 'a 1': 1, 'b 1': 1 }), { retryDelaysMs: [1] })
  for (let n = 1; n <= 400; n++) await consume(consumer, delivered('a', n))
  await consume(consumer, delivered('b', 1))
  await using _ = startRetries(consumer)
  await noneParked()
  const all = await effects()
  assert.ok(all.indexOf('b 1') < 300, `${all.indexOf('b 1')}`)
  assert.deepEqual(
    all.filter(effect => effect !== 'b 1'),
    Array.from({ length: 400 }, (_, index) => `a ${index + 1}`)
  )
})

test('tries go on after the connection broke, and nothing is applied twice', async () => {
  let tries = 0
  const consumer = consumerOf(
    async (tx, event) => {
      await leaveEffect(tx, event)
      if (event.n > 1) return
      const backends = `pg_stat_activity where datname = current_database() and application_name like 'tested.retries%'`
      if (tries++ % 2 === 1) await admin.query(`select pg_terminate_backend(pid) from ${backends}`)
      throw new Error('not now')
    },
    { retryDelaysMs: Array.from({ length: 100 }, () => 1) }
  )
  for (const n of [1, 2]) await consume(consumer, delivered('a', n))
  {
    await using _ = startRetries(consumer)
    await eventually(parked, ([row]) => (row?.attempts ?? 0) > 2)
  }
  await using _ = startRetries(consumerOf(leaveEffect))
  await noneParked()
  assert.deepEqual(await effects(), ['a 1', 'a 2'])
})

test('one process at a time tries the messages of a consumer', async () => {
  await using elsewhere = openTested(tested.url, 4)
  const behaviour = failing(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`a ${n}`, n % 3])))
  const [here, there] = [consumerOf(behaviour), consumerOf(behaviour, { database: elsewhere })]
  for (let n = 1; n <= 30; n++) await consume(here, delivered('a', n))
  await using _here = startRetries(here)
  await using _there = startRetries(there)
  await noneParked()
  assert.deepEqual(
    await effects(),
    Array.from({ length: 30 }, (_, index) => `a ${index + 1}`)
  )
})

test('whatever fails how often: changes of a thing take effect once each and in order, save those that became dead letters', async () => {
  /** A message: which thing, how often it fails; more than three times is for ever. */
  const message = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    failures: fc.constantFrom(0, 0, 0, 1, 2, 3, 9),
    again: fc.boolean()
  })
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 25 }), async messages => {
      await clear()
      const counts: Record<string, number> = {}
      const numbered = messages.map(each => {
        counts[each.key] = (counts[each.key] ?? 0) + 1
        return { ...each, n: counts[each.key]! }
      })
      const consumer = consumerOf(failing(Object.fromEntries(numbered.map(({ key, n, failures }) => [`${key} ${n}`, failures]))), {
        retryDelaysMs: [1, 1, 1]
      })
      await using _ = startRetries(consumer)
      for (const { key, n, again } of numbered) {
        for (const _ of again ? [1, 2] : [1]) assert.equal(await consume(consumer, delivered(key, n)), 'ack')
      }
      await noneParked()
      const all = await effects()
      for (const key of ['a', 'b', 'c']) {
        const ofKey = numbered.filter(each => each.key === key)
        assert.deepEqual(
          all.filter(effect => effect.startsWith(key)),
          ofKey.filter(({ failures }) => failures < 4).map(({ n }) => `${key} ${n}`)
        )
        assert.deepEqual(
          (await deadLetters()).filter(letter => letter.key === key).map(({ event_id }) => event_id),
          ofKey.filter(({ failures }) => failures > 3).map(({ n }) => `${key}-${n}`)
        )
      }
    }),
    { numRuns: 15 }
  )
})
