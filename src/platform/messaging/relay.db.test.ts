import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { change, openMessaging, openTested, quiet, startPart, ThingChanged } from '../../../test/support/messaging.ts'
import { createTestDatabase } from '../../../test/support/postgres.ts'
import { eventually } from '../../../test/support/world.ts'
import { announceAll, announcement } from './outbox.ts'
import { startRelay } from './relay.ts'
import { openWakeup } from './wakeup.ts'

const tested = await openMessaging({ poolSize: 32, announced: () => outbox.wake() })
const { database, admin } = tested
const outbox = openWakeup(database, 'outbox')
const eventLog = openWakeup(database, 'event log')
after(() => tested[Symbol.asyncDispose]())

/** Each test has the log to itself. */
beforeEach(async () => {
  await admin.query(`do $$ declare name text; begin
    for name in select inhrelid::regclass::text from pg_inherits where inhparent = 'event_log'::regclass loop
      execute 'drop table ' || name;
    end loop;
    truncate outbox, things, changes;
    update event_log_head set position = 0;
  end $$`)
})

const startedRelay = (more = {}) => startRelay({ database, outbox, eventLog, log: quiet, ...more })

const drained = () =>
  eventually(
    () => database.query<{ pending: number }>('select count(*) as pending from outbox'),
    ([row]) => row!.pending === 0
  )

type Logged = { position: number; event_id: string; key: string; sequence: number }
const logged = () => database.query<Logged>('select position, event_id, key, sequence from event_log order by position')

/** Every change is in the log once, changes of one thing in the order of their commits, and positions have no gaps. */
async function assertWhole(): Promise<number> {
  await drained()
  const events = await logged()
  const changes = await database.query<{ thing_id: string; n: number }>('select thing_id, n from changes order by thing_id, n')
  const sorted = events.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.position - b.position))
  assert.deepEqual(
    sorted.map(({ key, sequence }) => `${key} ${sequence}`),
    changes.map(({ thing_id, n }) => `${thing_id} ${n}`)
  )
  assert.deepEqual(
    events.map(({ position }) => position),
    events.map((_, index) => index + 1)
  )
  assert.equal(new Set(events.map(({ event_id }) => event_id)).size, events.length)
  return events.length
}

/** Changes things until told to stop; some transactions are slow, some are rolled back. */
function startWriters(count: number, things: number): () => Promise<void> {
  let over = false
  const write = async () => {
    while (!over) {
      const thingId = `thing-${Math.floor(Math.random() * things)}`
      const work = database.transact(async tx => {
        await change(tx, thingId)
        const chance = Math.random()
        if (chance < 0.2) await tx.query('select pg_sleep($1)', [chance / 10])
        if (chance > 0.85) throw new Error('rolled back')
      })
      await work.catch(error => assert.match(error.message, /rolled back/))
    }
  }
  const writing = Promise.all(Array.from({ length: count }, write))
  return async () => {
    over = true
    await writing
  }
}

test('no event is lost, doubled or out of its order, with 24 writers at 40 things, slow transactions and rolled back ones', async () => {
  await using _ = startedRelay()
  const stop = startWriters(24, 40)
  await eventually(
    () => database.query<{ position: number }>('select position from event_log_head'),
    ([head]) => head!.position > 3000,
    60_000
  )
  await stop()
  await assertWhole()
})

test('relays that are killed at any moment lose nothing and write nothing twice', async () => {
  const stop = startWriters(6, 10)
  for (let kills = 0; kills < 8; kills++) {
    await using relay = startPart('relay', tested.url)
    const [before] = await database.query<{ position: number }>('select position from event_log_head')
    await eventually(
      () => database.query<{ position: number }>('select position from event_log_head'),
      ([head]) => head!.position > before!.position
    )
    await delay(Math.random() * 60)
    await relay.kill()
  }
  await stop()
  await using _ = startedRelay()
  assert.ok((await assertWhole()) > 100)
})

test('writers that are killed at any moment leave no event without its change and no change without its event', async () => {
  await using _ = startedRelay()
  for (let kills = 0; kills < 4; kills++) {
    await using writer = startPart('write', tested.url)
    const [before] = await database.query<{ written: number }>('select count(*) as written from changes')
    await eventually(
      () => database.query<{ written: number }>('select count(*) as written from changes'),
      ([row]) => row!.written > before!.written + 10
    )
    await delay(Math.random() * 40)
    await writer.kill()
  }
  assert.ok((await assertWhole()) > 40)
})

test('a transaction left open, here or in another database, holds back no event but its own', async () => {
  await using elsewhere = await createTestDatabase()
  await using other = openTested(elsewhere.url, 1)
  await using _ = startedRelay()
  const finish = Promise.withResolvers<void>()
  const holding = [
    database.transact(async tx => {
      await change(tx, 'slow')
      await finish.promise
    }),
    other.transact(async tx => {
      await tx.query('select pg_current_xact_id()')
      await finish.promise
    })
  ]
  for (const thingId of ['a', 'b', 'a']) await database.transact(tx => change(tx, thingId))
  await eventually(logged, events => events.length === 3)
  finish.resolve()
  await Promise.all(holding)
  assert.equal(await assertWhole(), 4)
})

test('a relay that has lost its connection in the middle of a move has moved nothing, and the next one does', async () => {
  for (let n = 0; n < 50; n++) await database.transact(tx => change(tx, `thing-${n % 3}`))
  await using _ = startedRelay()
  await assertWhole()
  await admin.transact(async tx => {
    await tx.query('lock table event_log in exclusive mode')
    await database.transact(tx => change(tx, 'late'))
    const moving = () =>
      admin.query<{ pid: number }>(
        `select pid from pg_stat_activity where datname = current_database() and application_name = 'tested.relay' and wait_event = 'relation'`
      )
    const [relay] = await eventually(moving, rows => rows.length === 1)
    await admin.query('select pg_terminate_backend($1, 5000)', [relay!.pid])
    const rows = await tx.query<{ pending: number }>('select count(*) as pending from outbox')
    assert.equal(rows[0]!.pending, 1)
  })
  assert.equal(await assertWhole(), 51)
})

test('a relay that was frozen and is replaced writes nothing when it wakes up', async () => {
  await using frozen = startPart('relay', tested.url)
  await database.transact(tx => change(tx, 'before'))
  await drained()
  process.kill(frozen.pid, 'SIGSTOP')
  await database.transact(tx => change(tx, 'meanwhile'))
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tested.relay'`
  )
  await using _ = startedRelay()
  await drained()
  process.kill(frozen.pid, 'SIGCONT')
  for (let n = 0; n < 20; n++) await database.transact(tx => change(tx, 'after'))
  assert.equal(await assertWhole(), 22)
})

test('partitions are made ahead, also while somebody has been reading the log for long', async () => {
  await using _ = startedRelay({ partitionSize: 1000 })
  const announceMany = (count: number) =>
    database.transact(async tx => {
      const events = Array.from({ length: count }, (_, n) => announcement(ThingChanged, { thingId: `${n}`, n: n + 1 }, n + 1))
      announceAll(tx, events)
    })
  const partitions = async () => {
    const rows = await admin.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'event_log'::regclass order by 1`
    )
    return rows.map(({ name }) => name)
  }
  assert.deepEqual(await eventually(partitions, names => names.length > 1), ['event_log_0', 'event_log_1'])
  await database.transact(async tx => {
    await tx.query('select count(*) from event_log')
    for (let batch = 0; batch < 5; batch++) {
      await announceMany(700)
      await drained()
    }
  })
  const events = await logged()
  assert.deepEqual([events.length, events[0]?.position, events.at(-1)?.position], [3500, 1, 3500])
  const ahead = await eventually(partitions, names => names.length > 4)
  assert.deepEqual(ahead, ['event_log_0', 'event_log_1', 'event_log_2', 'event_log_3', 'event_log_4'])
})
