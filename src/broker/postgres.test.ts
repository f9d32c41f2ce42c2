import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { type Message, MessagesRefused } from './broker.ts'
import { conforms } from './conformance.ts'
import { inOrder, names, numbered, numberOf, range, recording, until } from './conformance-kit.ts'
import { openLine } from './conformance-line.ts'
import { faulty } from './faulty.ts'
import { openPostgresBroker } from './postgres.ts'

conforms('PostgreSQL', async () => {
  const database = await createTestDatabase()
  const line = await openLine(database.url)
  const sql = new pg.Pool({ connectionString: database.url, max: 2 })
  sql.on('error', () => {})
  return {
    url: line.url,
    open: () => openPostgresBroker({ url: line.url }),
    features: { keepsForLaterGroups: true, takeoverMs: 10_000 },
    async deadLetters(group) {
      const { rows } = await sql.query('SELECT message_id FROM broker.dead_letters WHERE consumer_group = $1', [group])
      return rows.map(row => row.message_id)
    },
    outage: line.cut,
    async [Symbol.asyncDispose]() {
      await line[Symbol.asyncDispose]()
      await sql.end()
      await database[Symbol.asyncDispose]()
    }
  }
})

describe('PostgreSQL as a broker', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let sql: pg.Pool
  before(async () => {
    database = await createTestDatabase()
    sql = new pg.Pool({ connectionString: database.url, max: 4 })
    sql.on('error', () => {})
  })
  after(async () => {
    await sql.end()
    await database[Symbol.asyncDispose]()
  })
  const open = () => openPostgresBroker({ url: database.url })

  test("an owner's session that is terminated again and again loses nothing and keeps the order", async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    let inFlight = 0
    await using _ = await broker.subscribe({
      ...reader,
      concurrency: 4,
      async handle(delivery) {
        assert.equal(++inFlight <= 4, true)
        await new Promise(setImmediate)
        inFlight--
        return reader.handle(delivery)
      }
    })
    const messages = numbered(topic, 3_000, n => `${n % 10}`)
    let terminated = 0
    for (let from = 0; from < 3_000; from += 500) {
      await broker.publish(messages.slice(from, from + 500))
      await until('some of them are read', () => reader.numbers().some(n => n > from + 100))
      const { rows } = await sql.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1', [
        `%${group}`
      ])
      terminated += rows.length
    }
    await until('all are done', () => new Set(reader.numbers()).size === 3_000)
    assert.ok(terminated >= 6)
    for (const key of range(10)) {
      const firsts = [...new Set(reader.numbers().filter(n => n % 10 === key))]
      assert.deepEqual(firsts, inOrder(firsts))
    }
  })

  test('a deposed owner cannot move the cursor', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    let handled = 0
    await using _ = await broker.subscribe({
      ...recording({ topic, group }),
      async handle() {
        handled++
        await released
        return 'ack'
      }
    })
    await broker.publish(numbered(topic, 1))
    await until('it is in flight', () => handled === 1)
    await sql.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1', [`%${group}`])
    const successor = recording({ topic, group })
    await using other = await open()
    await using _next = await other.subscribe({
      ...successor,
      handle: async delivery => {
        await successor.handle(delivery)
        return 'retry'
      }
    })
    await until('the successor has it', () => successor.got.length > 0)
    release()
    await until('it is tried again', () => successor.got.length > 3)
    const { rows } = await sql.query('SELECT position FROM broker.cursors WHERE consumer_group = $1', [group])
    assert.equal(Number(rows[0].position), 0)
    assert.equal(handled, 1)
  })

  test('thousands of messages flow past a key that is stuck', async () => {
    await using broker = await open()
    const { topic, group } = names()
    let stuck = true
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({
      ...reader,
      handle: async delivery => (delivery.key === 'stuck' && stuck ? 'retry' : reader.handle(delivery))
    })
    await broker.publish(numbered(topic, 5_000, n => (n === 0 ? 'stuck' : `${n % 40}`)))
    await until('the others are done', () => reader.got.length === 4_999)
    const cursor = async () =>
      (await sql.query('SELECT position, xmin FROM broker.cursors WHERE consumer_group = $1', [group])).rows[0]
    assert.equal(Number((await cursor()).position), 0)
    stuck = false
    await until('the cursor is at the end', async () => Number((await cursor()).position) === 5_000)
  })

  test('cursors are stored together, not once per message', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await sql.query(`CREATE SEQUENCE stores; CREATE FUNCTION count_store() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM nextval('public.stores'); RETURN NULL; END $$;
      CREATE TRIGGER count_store AFTER UPDATE ON broker.cursors EXECUTE FUNCTION count_store()`)
    await using _ = await broker.subscribe({
      ...reader,
      async handle(delivery) {
        await delay(1)
        return reader.handle(delivery)
      }
    })
    await broker.publish(numbered(topic, 1_000, n => `${n % 40}`))
    await until('the cursor is at the end', async () => {
      const { rows } = await sql.query('SELECT position FROM broker.cursors WHERE consumer_group = $1', [group])
      return Number(rows[0].position) === 1_000
    })
    const { rows } = await sql.query('SELECT last_value FROM stores')
    await sql.query('DROP FUNCTION count_store CASCADE')
    assert.ok(Number(rows[0].last_value) < 20, `${rows[0].last_value} stores`)
  })

  test('with faulty deliveries everything still arrives and is acknowledged', async () => {
    await using broker = faulty(await open(), { shuffle: true, duplicate: true, delayMs: 50, seed: 1 })
    const { topic, group } = names()
    const reader = recording({ topic, group })
    const failed = new Set<number>()
    await using _ = await broker.subscribe({
      ...reader,
      handle: async delivery => (failed.size === failed.add(numberOf(delivery)).size ? reader.handle(delivery) : 'retry')
    })
    await broker.publish(numbered(topic, 300, n => `${n % 5}`))
    await until('the cursor is at the end', async () => {
      const { rows } = await sql.query('SELECT position FROM broker.cursors WHERE consumer_group = $1', [group])
      return Number(rows[0].position) === 300
    })
    assert.deepEqual(inOrder(new Set(reader.numbers())), range(300))
    assert.notDeepEqual(reader.numbers(), inOrder(reader.numbers()))
  })

  test('one message the database will never take does not keep its neighbours back', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await sql.query(`ALTER TABLE broker.messages ADD CONSTRAINT odd CHECK (key <> 'odd')`)
    const [one, odd, other] = numbered(topic, 3) as [Message, Message, Message]
    await assert.rejects(broker.publish([one, { ...odd, key: 'odd' }, other]), error => {
      assert.ok(error instanceof MessagesRefused)
      assert.deepEqual(error.messageIds, [odd.messageId])
      return true
    })
    await sql.query('ALTER TABLE broker.messages DROP CONSTRAINT odd')
    await until('its neighbours arrive', () => reader.got.length === 2)
    assert.deepEqual(reader.got.map(numberOf), [0, 2])
  })

  test('publishing waits for the disk although the server is set not to', async () => {
    await sql.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET synchronous_commit = off`)
    await using broker = await open()
    await sql.query(`CREATE TABLE seen AS SELECT ''::text AS setting; CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
      CREATE TRIGGER look AFTER INSERT ON broker.messages EXECUTE FUNCTION look()`)
    await broker.publish(numbered(names().topic, 1))
    assert.deepEqual((await sql.query(`SELECT setting FROM seen WHERE setting <> ''`)).rows, [{ setting: 'on' }])
    await sql.query('DROP FUNCTION look CASCADE')
  })

  test('a database that is away is said plainly at opening', async () => {
    await assert.rejects(openPostgresBroker({ url: 'postgres://nobody:secret@127.0.0.1:1/none' }), error => {
      assert.match(String(error), /the PostgreSQL broker cannot be opened: .*ECONNREFUSED/)
      assert.doesNotMatch(String(error), /secret/)
      return true
    })
  })
})
