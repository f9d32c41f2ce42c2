import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { openMessaging } from '../../../test/support/messaging.ts'
import { dropOldPartitions, ensurePartitions, readEventLog } from './event-log.ts'

const tested = await openMessaging()
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())

const SIZE = 10
const RETENTION_DAYS = 30

/** Thirty-five events, a day apart, the newest of them of now: partitions 0, 1, 2 are full, 3 is not. */
beforeEach(async () => {
  await admin.query(`do $$ declare name text; begin
    for name in select inhrelid::regclass::text from pg_inherits where inhparent = 'event_log'::regclass loop
      execute 'drop table ' || name;
    end loop;
    delete from outlets;
    update event_log_head set position = 0;
  end $$`)
  for (const position of [0, 20]) {
    await database.query('update event_log_head set position = $1', [position])
    await ensurePartitions(database, SIZE)
  }
  await database.query('update event_log_head set position = 35')
  await database.query(
    `insert into event_log (position, event_id, topic, key, type, version, subject, sequence, body, logged_at)
     select n, gen_random_uuid(), 'product.events', 'a', 'ThingChanged', 1, 'thing/a', n, '{}', now() - make_interval(days => 35 - n)
     from generate_series(1, 35) n`
  )
})

const outletAt = (name: string, position: number) =>
  database.query('insert into outlets (name, position) values ($1, $2)', [name, position])
const drop = (retentionDays: number) => database.transact(tx => dropOldPartitions(tx, retentionDays, SIZE))
const oldest = async () => (await readEventLog(database, 0, 1))[0]?.position

test('events are read in order, after a position, so many at most', async () => {
  const events = await readEventLog(database, 8, 5)
  assert.deepEqual(
    events.map(({ position, sequence }) => [position, sequence]),
    [9, 10, 11, 12, 13].map(n => [n, n])
  )
  assert.deepEqual(await readEventLog(database, 35, 5), [])
})

test('partitions that exist already are left alone', async () => {
  assert.equal(await ensurePartitions(database, SIZE), 50)
  assert.equal(await ensurePartitions(database, SIZE), 50)
})

test('a partition is dropped once every outlet has passed it and all its events are older than the retention', async () => {
  await outletAt('broker', 35)
  await outletAt('webhooks', 19)
  // Partition 0 ends with position 9, of 26 days ago; partition 1 with 19, of 16 days ago.
  assert.deepEqual(await drop(RETENTION_DAYS), [])
  assert.deepEqual(await drop(27), [])
  assert.deepEqual(await drop(25), ['event_log_0'])
  assert.equal(await oldest(), 10)
  assert.deepEqual(await drop(1), ['event_log_1'])
  assert.equal(await oldest(), 20)
})

test('nothing is dropped that an outlet has not passed, however old it is', async () => {
  await outletAt('broker', 35)
  await outletAt('webhooks', 18)
  assert.deepEqual(await drop(1), ['event_log_0'])
  await database.query(`update outlets set position = 8 where name = 'webhooks'`)
  assert.deepEqual(await drop(1), [])
})

test('nothing is dropped while no outlet has registered, nor what the next events are written to', async () => {
  assert.deepEqual(await drop(1), [])
  await outletAt('broker', 1_000_000)
  await database.query('update event_log set logged_at = now() - interval $$1 year$$')
  assert.deepEqual(await drop(1), ['event_log_0', 'event_log_1', 'event_log_2'])
  assert.equal(await oldest(), 30)
})

test('dropping gives up at once while somebody reads the log for long, and holds up nobody', async () => {
  await outletAt('broker', 35)
  await database.transact(async tx => {
    await tx.query('select count(*) from event_log')
    const started = performance.now()
    const dropping = assert.rejects(drop(1), { code: '55P03' })
    assert.equal(await oldest(), 1)
    await dropping
    assert.ok(performance.now() - started < 2000)
  })
  assert.deepEqual(await drop(1), ['event_log_0', 'event_log_1', 'event_log_2'])
})
