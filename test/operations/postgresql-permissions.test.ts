/** What `npm run permissions -- postgresql` prints, held by the broker inside a real PostgreSQL against real roles. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import type { PostgresqlRules } from '../../scripts/permissions/postgresql-rules.ts'
import { numbered } from '../../src/broker/conformance-kit.ts'
import { openPostgresBroker } from '../../src/broker/postgres.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { printedRules } from '../support/printed-rules.ts'

/** Roles belong to the server, where other tests are. Their names say what no name may break out of. */
const [crm, wms] = [`Crm.${process.pid}-a`, `wms_${process.pid}`]
const consumers = {
  crm: { user: crm, reads: { 'product.events': ['*'] }, publishes: ['user.events'] },
  warehouse: { user: wms, reads: { 'product.events': ['InventoryReserved'] }, publishes: ['order.events'] }
}
const refused = { code: '42501' }

describe('the PostgreSQL broker with the rules that are printed for it', { timeout: 600_000 }, () => {
  const stack = new AsyncDisposableStack()
  let sql: pg.Pool
  let script: string
  let url: string

  before(async () => {
    url = stack.use(await createTestDatabase()).url
    sql = stack.adopt(new pg.Pool({ connectionString: url, max: 2 }), pool => pool.end())
    const broker = stack.use(await openPostgresBroker({ url }))
    await broker.publish(['product.events', 'order.events', 'user.events'].flatMap(topic => numbered(topic, 2)))
    script = await printedRules(consumers, 'postgresql')
    await sql.query(script)
    for (const user of [crm, wms]) await sql.query(`ALTER ROLE "${user}" PASSWORD 'secret'`)
  })
  after(async () => {
    for (const user of [crm, wms]) await sql?.query(`DROP OWNED BY "${user}"; DROP ROLE "${user}"`)
    await stack.disposeAsync()
  })

  async function as<Value>(user: string, work: (client: pg.Client) => Promise<Value>): Promise<Value> {
    const at = new URL(url)
    at.username = user
    at.password = 'secret'
    const client = new pg.Client(at.href)
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
  const publish = (user: string, topic: string) =>
    as(user, client => client.query('SELECT broker.publish($1, $2, $3)', [topic, 'k', '{}']))
  const fetch = async (user: string, topic: string, group = user) =>
    as(user, async client => (await client.query('SELECT position FROM broker.fetch($1, $2)', [group, topic])).rows.length)

  test('a consumer reads the topic that it may read, and publishes to the topic that it may publish to', async () => {
    assert.equal(await fetch(crm, 'product.events'), 2)
    assert.equal(await fetch(crm, 'product.events', `${crm}.mailing`), 2)
    await publish(crm, 'user.events')
    await publish(wms, 'order.events')
  })

  test('a topic or a group that is not its own is refused, and so are the tables behind the door', async () => {
    await assert.rejects(publish(crm, 'order.events'), refused)
    await assert.rejects(publish(crm, 'product.events'), refused)
    await assert.rejects(fetch(crm, 'order.events'), refused)
    await assert.rejects(fetch(crm, 'user.events'), refused)
    await assert.rejects(fetch(crm, 'product.events', 'search.index'), refused)
    const tables = as(crm, client => client.query('SELECT * FROM broker.messages'))
    await assert.rejects(tables, refused)
  })

  test('who may read some types is permitted no reading, since its door cannot tell them apart, and that is said', async () => {
    await assert.rejects(fetch(wms, 'product.events'), refused)
    assert.match(script, new RegExp(`-- not permitted: ${wms} reads product\\.events by type`))
  })

  test('run again, it takes back what is not permitted any more; our own services are not outsiders', async () => {
    const fewer = { ...consumers, crm: { ...consumers.crm, publishes: [] } }
    await sql.query(await printedRules(fewer, 'postgresql'))
    await assert.rejects(publish(crm, 'user.events'), refused)
    assert.equal(await fetch(crm, 'product.events'), 2)
    const { rows } = await sql.query('SELECT client, may, topic FROM broker.permissions ORDER BY client, may, topic')
    const printed = JSON.parse(await printedRules(fewer, 'postgresql', '--json')) as PostgresqlRules
    assert.deepEqual(
      rows,
      printed.permissions.toSorted((one, other) => (one.client < other.client ? -1 : 1))
    )
    assert.deepEqual(printed.withheld, [`${wms} reads product.events`])
  })
})

test('what is asked for wrongly is said with exit code 64, and a setting with faults with 1', async () => {
  const failing = async (setting: object, ...args: string[]) =>
    printedRules(setting, ...args).then(
      () => assert.fail('it was printed'),
      ({ code, stderr }: { code: number; stderr: string }) => [code, stderr] as const
    )
  for (const args of [[], ['mqtt'], ['kafka', '--all'], ['kafka', 'nobody']]) {
    const [code, said] = await failing(consumers, ...args)
    assert.equal(code, 64, said)
    assert.match(
      said,
      args.includes('nobody') ? /There is no consumer nobody; there are product, order/ : /npm run permissions -- rabbitmq/
    )
  }
  const [code, said] = await failing({ crm: { topics: [] } }, 'kafka')
  assert.equal(code, 1)
  assert.match(said, /EVENT_CONSUMERS: #\/consumers\/crm\/topics is not a known name here/)
  assert.doesNotMatch(await printedRules(consumers, 'rabbitmq', 'crm'), /search/)
})
