/** What operators are told of everything outside, by processes that really are killed and lines that really are cut. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Integration } from '#contracts/resources/integration.ts'
import type { HttpClient } from '#platform/http/http-client.ts'
import { type FaultProxy, openFaultProxy } from '../support/fault-proxy.ts'
import { freePort } from '../support/free-port.ts'
import { eventually, openWorld, type Running, type World } from '../support/world.ts'

/** Processes begin one after another, on a machine that may be busy. */
const SLOW = { timeout: 300_000 }

let world: World
let broker: FaultProxy
let client: HttpClient
let users: Running
let consumers: Running
let startUsers: () => Promise<Running>
let publisher: string

before(async () => {
  world = await openWorld()
  broker = await openFaultProxy(world.databaseUrl)
  const port = await freePort()
  const issuer = `http://localhost:${port}/oauth`
  startUsers = () => world.start(['user'], { PORT: String(port) })
  users = await startUsers()
  publisher = `http://localhost:${await freePort()}`
  const settings = {
    ISSUER_URL: issuer,
    JWKS_URL: `${issuer}/jwks`,
    USER_SERVICE_URL: `${users.url}/v1`,
    BROKER_URL: broker.url,
    EVENT_SOURCES: `/order-service=${publisher}/keys`
  }
  consumers = await world.start(['product.consumers'], settings)
  const { url } = await world.start(['product.api', 'product.relay'], settings)
  client = world.client(url, `${users.url}/oauth/token`)
}, SLOW)
after(async () => {
  await broker[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

async function listed(): Promise<Map<string, Integration>> {
  const { status, body } = await client.call<{ data: Integration[] }>('GET', '/v1/integrations')
  assert.equal(status, 200)
  return new Map(body.data.map(each => [each.name, each]))
}

const seen = (name: string, wanted: (integration: Integration) => boolean) =>
  eventually(
    async () => (await listed()).get(name)!,
    integration => integration !== undefined && wanted(integration),
    120_000
  )

const is = (state: string) => (integration: Integration) => integration.state === state

test('everything that is well is up, as each process sees it, and what is not there is not', SLOW, async () => {
  const parts = ({ processes }: Integration) => processes.map(each => each.parts.join()).toSorted()
  const service = await seen('user-service', each => each.state === 'up' && parts(each).join(' ') === 'api,relay consumers')
  assert.equal(service.breaker, 'closed')
  assert.ok(Date.now() - Date.parse(service.lastSuccessAt!) < 20_000)
  const carrying = await seen('broker', is('up'))
  assert.deepEqual([carrying.kind, carrying.breaker, carrying.lag], ['broker', null, 0])
  const outlet = await seen('outlet broker', is('up'))
  assert.deepEqual([outlet.kind, outlet.lag], ['outlet', 0])
  await seen('keys of /user-service', is('up'))
  await seen([...(await listed()).keys()].find(name => name.startsWith('issuer '))!, is('up'))
  const keys = await seen('keys of /order-service', is('down'))
  assert.equal(keys.lastSuccessAt, null)
  assert.match(keys.lastError!, /^unreachable \(ECONNREFUSED\)$/)
  const told = JSON.stringify([...(await listed()).values()])
  for (const secret of [new URL(world.databaseUrl).password, publisher, '-secret']) assert.ok(!secret || !told.includes(secret))
})

test('the User Service is down once it is killed, and up once it is back', SLOW, async () => {
  await users.kill('SIGKILL')
  const down = await seen('user-service', is('down'))
  assert.match(down.lastError!, /^unreachable \(ECONNREFUSED\)$/)
  assert.ok(Date.parse(down.lastErrorAt!) > Date.parse(down.lastSuccessAt!))
  assert.equal((await seen('user-service', each => each.breaker === 'open')).state, 'down')
  assert.equal((await seen('broker', is('up'))).state, 'up')
  users = await startUsers()
  const up = await seen('user-service', each => each.state === 'up' && each.breaker === 'closed')
  assert.ok(Date.parse(up.lastSuccessAt!) > Date.parse(up.lastErrorAt!))
})

test(
  'the broker is down once its line is cut, what waits for it is counted, and it is up once the line is whole',
  SLOW,
  async () => {
    broker.cut()
    assert.match((await seen('broker', is('down'))).lastError!, /^unreachable|^no answer/)
    const product = { title: 'Lamp', variants: [{ sku: 'LAMP', prices: [] }] }
    assert.equal((await client.call('POST', '/v1/products', { body: product })).status, 201)
    await seen('outlet broker', each => each.lag! > 0)
    broker.heal()
    await seen('broker', is('up'))
    await seen('outlet broker', each => each.state === 'up' && each.lag === 0)
  }
)

test('a process that has gone has no say any more', SLOW, async () => {
  await consumers.kill('SIGKILL')
  const alone = await seen('broker', each => each.processes.length === 1)
  assert.deepEqual(alone.processes[0]!.parts, ['api', 'relay'])
})
