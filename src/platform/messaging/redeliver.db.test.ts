import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { change, leaveEffect, openMessaging, openTested, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Transaction } from '../postgres/database.ts'
import { isAway } from '../postgres/database-errors.ts'
import { toMessage } from './cloudevents.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { type LoggedEvent, readEventLog } from './event-log.ts'
import { startRetries } from './parking.ts'
import { type Range, type Redelivered, readRange, redeliver } from './redeliver.ts'
import { startRelay } from './relay.ts'
import { openWakeup } from './wakeup.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() =>
  database
    .query('truncate effects, inbox, parked_messages, dead_letters, event_log, things, changes, outbox')
    .then(() => database.query('update event_log_head set position = 0'))
)

type Change = { thingId: string; n: number }
type Behaviour = (tx: Transaction, event: Change) => Promise<unknown>

const consumerOf = (behaviour: Behaviour, more: Partial<Consumer> = {}): Consumer => ({
  name: 'tested.things',
  reactions: [on(ThingChanged, behaviour)],
  database,
  retryDelaysMs: [],
  log: quiet,
  ...more
})
const working = consumerOf(leaveEffect)
const source = '/tested-service'
const asBrokered = (event: LoggedEvent) => ({ ...toMessage(event, source), position: `test@${event.position}` })
const again = (
  range: Range,
  consumer = working,
  tell: (so: Redelivered) => void = () => {},
  signal = new AbortController().signal
) => redeliver({ consumer, eventLog: database, source, range, signal, tell })
const effects = async () =>
  (await database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')).map(
    ({ thing_id, n }) => `${thing_id} ${n}`
  )
const deadLetters = () =>
  database.query(
    'select key, status, reason, attempts, last_error, resolved_by, position from dead_letters order by dead_letter_id'
  )

/** Changes these things in this order, and waits until the relay has moved all of it into the log. */
async function logged(things: readonly string[]): Promise<LoggedEvent[]> {
  for (const thing of things) await database.transact(tx => change(tx, thing))
  await using _relay = startRelay({
    database,
    outbox: openWakeup(database, 'outbox'),
    eventLog: openWakeup(database, 'event log'),
    log: quiet
  })
  await eventually(
    async () => (await readEventLog(database, 0, 10_000)).length,
    count => count === things.length
  )
  return readEventLog(database, 0, 10_000)
}

test('what a consumer has seen is handled again, in the order of the log, within the range, and nothing else', async () => {
  const events = await logged(['a', 'b', 'a', 'b', 'a'])
  for (const event of events) await consume(working, asBrokered(event))
  await database.query('truncate effects')
  assert.deepEqual(await again({ from: 2, to: 4 }), { position: 4, applied: 3, parked: 0, deadLetters: 0, passed: 0 })
  assert.deepEqual(await effects(), ['b 1', 'a 2', 'b 2'])
  await database.query('truncate effects')
  assert.equal((await again({ from: 1, to: 5, key: 'a' })).applied, 3)
  assert.deepEqual(await effects(), ['a 1', 'a 2', 'a 3'])
  assert.equal((await again({ from: 1, to: 5, types: ['SomethingElse'] })).applied, 0)
  const found: number[] = []
  for await (const { events } of readRange(database, working, { from: 3, to: 9, types: ['ThingChanged'] }))
    found.push(...events.map(({ position }) => position))
  assert.deepEqual(found, [3, 4, 5])
})

test('a behaviour that applies what is newer has nothing to do', async () => {
  const events = await logged(['a', 'a', 'a'])
  await database.query('create table if not exists states (thing_id text primary key, n bigint)')
  const newer = consumerOf(async (tx, { thingId, n }) => {
    const changed = await tx.query(
      'insert into states values ($1, $2) on conflict (thing_id) do update set n = $2 where states.n < $2 returning 1',
      [thingId, n]
    )
    if (changed.length > 0) await leaveEffect(tx, { thingId, n })
  })
  for (const event of events) await consume(newer, asBrokered(event))
  assert.equal((await again({ from: 1, to: 3 }, newer)).applied, 3)
  assert.deepEqual(await effects(), ['a 1', 'a 2', 'a 3'])
})

test('what it gets before the broker delivers it takes effect once', async () => {
  const [event] = await logged(['a'])
  await again({ from: 1, to: 1 })
  assert.equal(await consume(working, asBrokered(event!)), 'ack')
  assert.deepEqual(await effects(), ['a 1'])
})

test('what fails is parked, with later events of its key behind it, or becomes a dead letter; other keys go on', async () => {
  await logged(['a', 'b', 'a', 'b', 'c'])
  let broken = true
  const consumer = consumerOf(
    async (tx, event) => {
      if (event.thingId === 'c') throw new Problem('not-sellable')
      if (broken && event.thingId === 'a' && event.n === 1) throw new Error('not now')
      await leaveEffect(tx, event)
    },
    { retryDelaysMs: [1, 1] }
  )
  assert.deepEqual(await again({ from: 1, to: 5 }, consumer), { position: 5, applied: 2, parked: 2, deadLetters: 1, passed: 0 })
  assert.deepEqual(await effects(), ['b 1', 'b 2'])
  assert.partialDeepStrictEqual(await deadLetters(), [
    { key: 'c', status: 'open', reason: 'refused', position: 'product.events@5' }
  ])
  broken = false
  await using _ = startRetries(consumer)
  await eventually(effects, all => all.length === 4)
  assert.deepEqual((await effects()).slice(2), ['a 1', 'a 2'])
})

test('an event that is a dead letter stays that one while it fails, and is settled when it succeeds', async () => {
  const [event] = await logged(['a'])
  const refusing = consumerOf(() => Promise.reject(new Problem('not-sellable')))
  await consume(refusing, asBrokered(event!))
  await again(
    { from: 1, to: 1 },
    consumerOf(() => Promise.reject(new Error('still')))
  )
  assert.partialDeepStrictEqual(await deadLetters(), [{ status: 'open', attempts: 2, last_error: 'Error: still' }])
  await again({ from: 1, to: 1 })
  assert.partialDeepStrictEqual(await deadLetters(), [{ status: 'replayed', attempts: 3, resolved_by: 'redeliver' }])
  assert.deepEqual([(await deadLetters()).length, await effects()], [1, ['a 1']])
})

test('beside the live consumer no key is handled twice at once', async () => {
  const events = await logged(Array.from({ length: 40 }, (_, index) => `thing ${index % 3}`))
  const handling = new Set<string>()
  const consumer = consumerOf(async (tx, event) => {
    assert.ok(!handling.has(event.thingId))
    handling.add(event.thingId)
    await tx.query('select pg_sleep(0.01)')
    handling.delete(event.thingId)
    await leaveEffect(tx, event)
  })
  const live = async () => {
    // In another order, so that the two are at different events of one key.
    for (const event of events.toReversed()) assert.equal(await consume(consumer, asBrokered(event)), 'ack')
  }
  const [redelivered] = await Promise.all([again({ from: 1, to: 40 }, consumer), live()])
  assert.deepEqual([redelivered.applied, redelivered.parked, redelivered.deadLetters], [40, 0, 0])
  assert.deepEqual(await database.query('select * from dead_letters'), [])
})

test('it tells how far it is, stops between two events when asked to, and goes on from there', async () => {
  await logged(Array.from({ length: 12 }, (_, index) => `thing ${index % 7}`))
  await database.query('update event_log set position = position * 100')
  const stop = new AbortController()
  const told: number[] = []
  const first = await again(
    { from: 1, to: 1_200 },
    working,
    ({ position }) => {
      told.push(position)
      if (told.length === 2) stop.abort()
    },
    stop.signal
  )
  assert.deepEqual([told, first.position, first.applied], [[500, 1_000], 1_000, 10])
  const rest = await again({ from: first.position + 1, to: 1_200 })
  assert.deepEqual([rest.position, rest.applied, (await effects()).length], [1_200, 2, 12])
})

test('a database that is away ends it; nothing is parked or set aside for that', async () => {
  await logged(['a', 'b'])
  await using breaking = openTested(`${tested.url}?application_name=redelivering`, 1)
  const terminated = consumerOf(
    async (tx, event) => {
      await leaveEffect(tx, event)
      await tested.admin.query(
        `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'redelivering'`
      )
    },
    { database: breaking, retryDelaysMs: [1] }
  )
  await assert.rejects(again({ from: 1, to: 2 }, terminated), isAway)
  assert.deepEqual([await effects(), await deadLetters(), await database.query('select * from parked_messages')], [[], [], []])
})
