import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { createTestDatabase } from '../../test/support/postgres.ts'
import type { Delivery } from './broker.ts'
import { names, numbered, range, recording, until } from './conformance-kit.ts'
import { openPostgresBroker } from './postgres.ts'

describe("the broker's schema", () => {
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

  test('many processes may open it at once, and opening it again changes nothing', async () => {
    for (const broker of await Promise.all(range(8).map(open))) await broker[Symbol.asyncDispose]()
    const version = () => sql.query(`SELECT xmin FROM pg_proc WHERE pronamespace = 'broker'::regnamespace`).then(({ rows }) => rows)
    const installed = await version()
    await using _ = await open()
    assert.deepEqual(await version(), installed)
  })

  test('a message published in SQL arrives without a NOTIFY, and JSON text keeps its backslashes', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await broker.publish(numbered(topic, 1))
    await until('it follows', () => reader.got.length === 1)
    await sql.query(`SELECT broker.publish('${topic}', 'k', '{"said":"\\"no\\""}')`)
    await sql.query('SELECT broker.publish($1, $2, $3::bytea, $4, $5, $6)', [
      topic,
      'k',
      Buffer.of(0, 255),
      { a: 'b', n: 1 },
      'r.k',
      'id-1'
    ])
    await until('the poll finds them', () => reader.got.length === 3)
    const [, text, bytes] = reader.got as [Delivery, Delivery, Delivery]
    assert.equal(Buffer.from(text.body).toString(), '{"said":"\\"no\\""}')
    assert.deepEqual(bytes, {
      topic,
      key: 'k',
      messageId: 'id-1',
      routingKey: 'r.k',
      headers: { a: 'b', n: '1' },
      body: Buffer.of(0, 255),
      position: `${topic}@3`
    })
  })

  test('a publishing transaction that is rolled back leaves no gap and delivers nothing', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const outsider = await sql.connect()
    await outsider.query('BEGIN')
    await outsider.query(`SELECT broker.publish($1, 'k', 'never')`, [topic])
    const waiting = broker.publish(numbered(topic, 2))
    await outsider.query('ROLLBACK')
    outsider.release()
    await waiting
    await until('the others arrive', () => reader.got.length === 2)
    assert.deepEqual(
      reader.got.map(delivery => delivery.position),
      [`${topic}@1`, `${topic}@2`]
    )
  })

  test('positions are gapless and arrive in order, whoever publishes', async () => {
    await using broker = await open()
    await using other = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({ ...reader, concurrency: 1 })
    const { topic: second } = names()
    await Promise.all(
      range(40).map(async n => {
        const both = [...numbered(n % 2 ? topic : second, 5), ...numbered(n % 2 ? second : topic, 5)]
        await (n % 3 ? broker : other).publish(both)
        if (n % 8 === 0) await sql.query(`SELECT broker.publish($1, 'one-key', 'x')`, [topic])
      })
    )
    await until('all arrive', () => reader.got.length === 205)
    assert.deepEqual(
      reader.got.map(delivery => delivery.position),
      range(205).map(n => `${topic}@${n + 1}`)
    )
  })

  test('old messages are deleted behind every cursor only', async () => {
    await using broker = await open()
    const { topic, group } = names()
    await broker.publish(numbered(topic, 10))
    await sql.query('SELECT broker.fetch($1, $2), broker.acknowledge($1, $2, 6)', [group, topic])
    await sql.query('SELECT broker.fetch($1, $2), broker.acknowledge($1, $2, 8)', [`${group}-other`, topic])
    const kept = async () =>
      (await sql.query('SELECT position FROM broker.messages WHERE topic = $1 ORDER BY 1', [topic])).rows.map(row =>
        Number(row.position)
      )
    await sql.query(`SELECT broker.prune('1 hour')`)
    assert.equal((await kept()).length, 10)
    await sql.query(`UPDATE broker.messages SET published_at = now() - interval '2 hours' WHERE topic = $1 AND position <> 2`, [
      topic
    ])
    await sql.query(`SELECT broker.prune('1 hour', 4), broker.prune('1 hour', 4)`)
    assert.deepEqual(await kept(), [2, 7, 8, 9, 10])
  })
})
