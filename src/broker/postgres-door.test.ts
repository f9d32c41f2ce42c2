/** The broker for outsiders: a role of their own and three SQL functions, through a plain client. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { createTestDatabase } from '../../test/support/postgres.ts'
import type { Broker } from './broker.ts'
import { names, numbered, recording, until } from './conformance-kit.ts'
import { openPostgresBroker } from './postgres.ts'

type TestDatabase = Awaited<ReturnType<typeof createTestDatabase>>

const positions = ({ rows }: pg.QueryResult) => rows.map(row => Number(row.position))
const refused = { code: '42501' }

/** Roles belong to the server, where other tests are: each has a name of its own, and goes with its database. */
let roles = 0

async function connectAs(
  database: TestDatabase,
  sql: pg.Pool,
  grants = 'GRANT broker_client TO %'
): Promise<pg.Client & { role: string }> {
  const role = `outsider_${process.pid}_${++roles}`
  await sql.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; ${grants.replaceAll('%', role)}`)
  const url = new URL(database.url)
  url.username = role
  url.password = 'secret'
  const client = new pg.Client(url.href)
  await client.connect()
  return Object.assign(client, { role })
}

async function leave(sql: pg.Pool, ...clients: (pg.Client & { role: string })[]): Promise<void> {
  for (const client of clients) {
    await client.end()
    await sql.query(`DROP OWNED BY ${client.role}; DROP ROLE ${client.role}`)
  }
}

describe('an outsider', () => {
  let database: TestDatabase
  let sql: pg.Pool
  let broker: Broker
  before(async () => {
    database = await createTestDatabase()
    sql = new pg.Pool({ connectionString: database.url, max: 4 })
    sql.on('error', () => {})
    broker = await openPostgresBroker({ url: database.url })
  })
  after(async () => {
    await broker[Symbol.asyncDispose]()
    await sql.end()
    await database[Symbol.asyncDispose]()
  })
  const permit = (role: string, may: string, topic: string) =>
    sql.query('INSERT INTO broker.permissions VALUES ($1, $2, $3)', [role, may, topic])

  test('publishes to the topics that it may publish to, fetches what it may fetch, and acknowledges that', async () => {
    const [{ topic: theirs }, { topic: ours }] = [names(), names()]
    const outsider = await connectAs(database, sql)
    const { role } = outsider
    await permit(role, 'publish', theirs)
    await permit(role, 'fetch', ours)

    const reader = recording({ topic: theirs, group: `group-${role}` })
    await using _ = await broker.subscribe(reader)
    const published = await outsider.query(`SELECT broker.publish($1, 'o-1', $2) AS position`, [theirs, '{"orderId":"o-1"}'])
    assert.deepEqual(positions(published), [1])
    await until('it arrives', () => reader.got.length === 1)
    assert.equal(Buffer.from(reader.got[0]!.body).toString(), '{"orderId":"o-1"}')

    const fetch = async (group: string) =>
      positions(await outsider.query('SELECT position FROM broker.fetch($1, $2, 3)', [group, ours]))
    const acknowledge = (group: string, position: number) =>
      outsider.query('SELECT broker.acknowledge($1, $2, $3)', [group, ours, position])
    await broker.publish(numbered(ours, 5))
    assert.deepEqual(await fetch(role), [1, 2, 3])
    assert.deepEqual(await fetch(role), [1, 2, 3])
    await acknowledge(role, 3)
    assert.deepEqual(await fetch(role), [4, 5])
    assert.deepEqual(await fetch(`${role}.reports`), [1, 2, 3])
    await acknowledge(role, 999)
    assert.deepEqual(await fetch(role), [])
    await broker.publish(numbered(ours, 1))
    assert.deepEqual(await fetch(role), [6])
    await leave(sql, outsider)
  })

  test('may do nothing else: not on another topic, not in the place of another group, not past the functions', async () => {
    const { topic, group } = names()
    const outsider = await connectAs(database, sql)
    const other = await connectAs(database, sql)
    await permit(outsider.role, 'fetch', topic)
    await permit(other.role, 'publish', topic)
    await broker.publish(numbered(topic, 3))
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await until('the others arrive', () => reader.got.length === 3)

    const attempts = [
      ['SELECT broker.publish($1, $2, $3)', topic, 'k', '{}'],
      ['SELECT broker.publish($1, $2, $3::bytea)', topic, 'k', '{}'],
      ['SELECT broker.fetch($1, $2)', outsider.role, 'order.events'],
      ['SELECT broker.fetch($1, $2)', group, topic],
      ['SELECT broker.fetch($1, $2)', other.role, topic],
      // A name that begins like its own is not its own.
      ['SELECT broker.fetch($1, $2)', `${outsider.role}x`, topic],
      ['SELECT broker.acknowledge($1, $2, 3)', group, topic],
      ['SELECT broker.publish_all($1, $1, $1, $1, $1, $2)', [topic], [Buffer.from('{}')]],
      ['SELECT broker.prune($1)', '0 seconds'],
      ['SELECT broker.check_permission($1, $2)', 'fetch', topic],
      ['SELECT * FROM broker.messages'],
      ['SELECT * FROM broker.cursors'],
      ['UPDATE broker.cursors SET position = 0'],
      ['SELECT * FROM broker.permissions'],
      [`INSERT INTO broker.permissions VALUES ($1, 'publish', $2)`, outsider.role, topic],
      ['CREATE TABLE broker.mine ()']
    ] as const
    for (const [text, ...values] of attempts) await assert.rejects(outsider.query(text, [...values]), refused, text)
    // To take another's name takes that other's password.
    await assert.rejects(outsider.query(`SET SESSION AUTHORIZATION ${other.role}`), refused)
    await assert.rejects(outsider.query(`SET ROLE ${other.role}`), refused)

    const { rows } = await sql.query('SELECT consumer_group FROM broker.cursors WHERE topic = $1', [topic])
    assert.deepEqual(rows, [{ consumer_group: group }])
    const hint = await outsider.query('SELECT broker.publish($1, $2, $3)', [topic, 'k', '{}']).catch(error => error.hint)
    await sql.query(hint)
    await outsider.query('SELECT broker.publish($1, $2, $3)', [topic, 'k', '{}'])
    await until('what is permitted arrives', () => reader.got.length === 4)
    await leave(sql, outsider, other)
  })

  test('without the grant has no way in', async () => {
    const outsider = await connectAs(database, sql, '')
    await permit(outsider.role, 'fetch', 'product.events')
    await assert.rejects(outsider.query(`SELECT broker.fetch($1, 'product.events')`, [outsider.role]), refused)
    await leave(sql, outsider)
  })

  test('that works in a transaction loses nothing when that is rolled back, and keeps others of its group waiting', async () => {
    const { topic } = names()
    const outsider = await connectAs(database, sql)
    await permit(outsider.role, 'fetch', topic)
    await broker.publish(numbered(topic, 2))
    const url = new URL(database.url)
    url.username = outsider.role
    url.password = 'secret'
    const colleague = new pg.Client(url.href)
    await colleague.connect()
    const take = (client: pg.Client) => client.query('SELECT position FROM broker.fetch($1, $2, 1)', [outsider.role, topic])
    const done = (client: pg.Client, position: number) =>
      client.query('SELECT broker.acknowledge($1, $2, $3)', [outsider.role, topic, position])

    await outsider.query('BEGIN')
    assert.deepEqual(positions(await take(outsider)), [1])
    await done(outsider, 1)
    await outsider.query('ROLLBACK')
    await outsider.query('BEGIN')
    assert.deepEqual(positions(await take(outsider)), [1])
    const waiting = take(colleague)
    await done(outsider, 1)
    await outsider.query('COMMIT')
    assert.deepEqual(positions(await waiting), [2])
    await colleague.end()
    await leave(sql, outsider)
  })
})

test('a schema of version 1 is brought up to date with everything that is in it; whom it let in needs permission now', async () => {
  await using database = await createTestDatabase()
  const sql = new pg.Pool({ connectionString: database.url, max: 2 })
  sql.on('error', () => {})
  const first = await readFile(new URL('../../test/support/postgres-broker-1.sql', import.meta.url), 'utf8')
  await sql.query(`${first}\nCOMMENT ON SCHEMA broker IS 'messages and consumer groups, version 1'`)
  const outsider = await connectAs(
    database,
    sql,
    `GRANT USAGE ON SCHEMA broker TO %;
     GRANT EXECUTE ON FUNCTION broker.publish(text, text, text, jsonb, text, text), broker.fetch, broker.acknowledge TO %`
  )
  const { topic, group } = names()
  for (let n = 1; n <= 3; n++) await outsider.query('SELECT broker.publish($1, $2, $3)', [topic, 'k', `{"n":${n}}`])
  await outsider.query('SELECT broker.fetch($1, $2), broker.acknowledge($1, $2, 2)', [group, topic])
  {
    await using broker = await openPostgresBroker({ url: database.url })
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await broker.publish(numbered(topic, 1))
    await until('what was left arrives', () => reader.got.length === 2)
    assert.deepEqual(
      reader.got.map(({ position }) => position),
      [`${topic}@3`, `${topic}@4`]
    )
  }
  await assert.rejects(outsider.query('SELECT broker.publish($1, $2, $3)', [topic, 'k', '{}']), refused)
  await sql.query(`INSERT INTO broker.permissions VALUES ($1, 'publish', $2)`, [outsider.role, topic])
  await outsider.query('SELECT broker.publish($1, $2, $3)', [topic, 'k', '{}'])
  await leave(sql, outsider)
  await sql.end()
})
