/** What those may do who act for a user, in two processes of the Product Service, while the User Service says it, and while it is away. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { User } from '#contracts/resources/user.ts'
import type { HttpClient } from '#platform/http/http-client.ts'
import { type Database, openDatabase } from '#platform/postgres/database.ts'
import { freePort } from '../support/free-port.ts'
import { quiet } from '../support/messaging.ts'
import { eventually, openWorld, type Running, type World } from '../support/world.ts'

let world: World
let database: Database
let startUsers: () => Promise<Running>
let users: Running
let admin: HttpClient
/** Two processes, the first of which consumes events, out of order and more than once. */
let shops: Running[]

before(async () => {
  world = await openWorld()
  database = openDatabase({ url: world.databaseUrl, schema: 'product', poolSize: 2, log: quiet })
  const port = await freePort()
  const issuer = `http://localhost:${port}/oauth`
  startUsers = () => world.start(['user'], { PORT: String(port) })
  users = await startUsers()
  admin = world.client(users.url)
  const settings = { ISSUER_URL: issuer, JWKS_URL: `${issuer}/jwks`, USER_SERVICE_URL: `${users.url}/v1` }
  shops = [
    await world.start(['product'], { ...settings, EVENT_FAULTS: 'shuffle,duplicate' }),
    await world.start(['product.api'], settings)
  ]
})
after(async () => {
  await database[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

type Answer = { status: number; headers: Headers; body: Record<string, unknown> & { code?: string } }

async function ask(shop: Running, token: string, method: string, path: string, body?: object, key?: string): Promise<Answer> {
  const response = await fetch(shop.url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(key ? { 'idempotency-key': key } : {})
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(20_000)
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}

/** A token with every scope, in the name of a user. */
async function tokenOf(userId: string): Promise<string> {
  const response = await fetch(`${users.url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('admin:admin-secret')}` },
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: userId,
      subject_token_type: 'urn:product-service:token-type:user-id'
    }),
    signal: AbortSignal.timeout(20_000)
  })
  assert.equal(response.status, 200)
  return ((await response.json()) as { access_token: string }).access_token
}

async function register(...roles: string[]): Promise<string> {
  const userId = `u-${randomUUID()}`
  await database.query('insert into "user".users (user_id, name, roles) values ($1, $2, $3)', [userId, 'Somebody', roles])
  return userId
}

async function change(userId: string, body: Partial<User>): Promise<void> {
  assert.equal((await admin.call('PATCH', `/v1/users/${userId}`, { body })).status, 200)
}

const product = () => ({ title: `Thing ${randomUUID()}` })
const create = (shop: Running, token: string, body: object = product(), key?: string) =>
  ask(shop, token, 'POST', '/v1/products', body, key)
const said = ({ status, body }: Answer) => `${status} ${body.code ?? ''}`.trim()

test('a token with every scope does for a user what the current roles of the user allow, and nothing else', async () => {
  const [editor, customer] = [await register('catalog-editor'), await register('customer', 'somebody else’s role')]
  const [editing, buying] = [await tokenOf(editor), await tokenOf(customer)]
  for (const shop of shops) {
    assert.equal(said(await create(shop, editing)), '201')
    assert.equal(said(await ask(shop, editing, 'GET', '/v1/dead-letters')), '403 insufficient-role')
    assert.equal(said(await ask(shop, buying, 'GET', '/v1/products')), '200')
    assert.equal(said(await create(shop, buying)), '403 insufficient-role')
  }
  await change(editor, { roles: ['operator'] })
  for (const shop of shops) {
    await eventually(
      async () => said(await create(shop, editing)),
      answer => answer === '403 insufficient-role'
    )
    assert.equal(said(await ask(shop, editing, 'GET', '/v1/dead-letters')), '200')
  }
})

test('somebody whom the User Service does not know may do nothing, though the issuer vouches for the token', async () => {
  const userId = await register('admin')
  const token = await tokenOf(userId)
  await database.query('delete from "user".users where user_id = $1', [userId])
  const refused = await create(shops[0]!, token)
  assert.deepEqual([said(refused), refused.body.userStatus], ['403 user-not-active', 'unknown'])
})

test('a suspended user is refused in every process within a second of the event, also what was answered before', async () => {
  const userId = await register('catalog-editor')
  const token = await tokenOf(userId)
  const [key, body] = [randomUUID(), product()]
  const [created, again] = [await create(shops[0]!, token, body, key), await create(shops[1]!, token, body, key)]
  assert.deepEqual([created.status, again.status, again.headers.get('idempotency-replayed')], [201, 201, 'true'])

  await change(userId, { status: 'suspended' })
  const told = 'select 1 from known_users where user_id = $1 and status = $2'
  const refusedAfterMs = shops.map(async shop => {
    let eventAt: number | undefined
    for (;;) {
      eventAt ??= (await database.query(told, [userId, 'suspended'])).length > 0 ? performance.now() : undefined
      if (said(await create(shop, token, body, key)) === '403 user-not-active')
        return performance.now() - (eventAt ?? Number.POSITIVE_INFINITY)
      if (eventAt && performance.now() - eventAt > 20_000) assert.fail('the user is never refused')
    }
  })
  for (const ms of await Promise.all(refusedAfterMs)) assert.ok(ms < 1000, `${ms} ms after the event`)
  for (const shop of shops) {
    const refused = await create(shop, token, body, key)
    assert.deepEqual([said(refused), refused.body.userStatus], ['403 user-not-active', 'suspended'])
    assert.equal(said(await ask(shop, token, 'GET', '/v1/products')), '403 user-not-active')
  }

  await change(userId, { status: 'active' })
  const back = await eventually(
    () => create(shops[1]!, token, body, key),
    ({ status }) => status === 201
  )
  assert.deepEqual([back.body.productId, back.headers.get('idempotency-replayed')], [created.body.productId, 'true'])
})

test('of many changes, which come out of order and twice, the last one holds in every process', async () => {
  const userId = await register('viewer')
  const token = await tokenOf(userId)
  for (const shop of shops) assert.equal(said(await create(shop, token)), '403 insufficient-role')
  for (let n = 0; n < 12; n++) await change(userId, { roles: n % 2 ? ['viewer'] : ['catalog-editor'], name: `Name ${n}` })
  await change(userId, { roles: ['pricing', 'catalog-editor'] })
  for (const shop of shops)
    await eventually(
      async () => said(await create(shop, token)),
      answer => answer === '201'
    )
  const versions = await eventually(
    () => database.query<{ sequence: number }>('select sequence from known_users where user_id = $1', [userId]),
    ([kept]) => kept?.sequence === 14
  )
  assert.equal(versions.length, 1)
})

test('a stream of events that a user follows ends when the user is suspended', async () => {
  const userId = await register('operator')
  const response = await fetch(`${shops[1]!.url}/v1/events`, {
    headers: { authorization: `Bearer ${await tokenOf(userId)}`, accept: 'text/event-stream' },
    signal: AbortSignal.timeout(30_000)
  })
  assert.equal(response.status, 200)
  await change(userId, { status: 'suspended' })
  assert.match(await response.text(), /event: end\ndata: \{"reason":"credentials-ended"\}\n\n$/)
})

test('with the User Service killed, known users go on, and for others nothing is read or written until it is back', async () => {
  const [known, other] = [await register('catalog-editor'), await register('catalog-editor')]
  const [token, unknown] = [await tokenOf(known), await tokenOf(other)]
  for (const shop of shops) assert.equal(said(await create(shop, token)), '201')
  const key = randomUUID()

  await users.kill('SIGKILL')
  for (const shop of shops) {
    const [write, read] = [await create(shop, unknown, { title: 'T' }, key), await ask(shop, unknown, 'GET', '/v1/products')]
    for (const refused of [write, read]) {
      assert.equal(said(refused), '503 unavailable')
      assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]/)
    }
    assert.equal(said(await create(shop, token)), '201')
  }

  users = await startUsers()
  for (const shop of shops) {
    const created = await eventually(
      () => create(shop, unknown, { title: 'T' }, key),
      ({ status }) => status !== 503,
      30_000
    )
    assert.equal(said(created), '201', JSON.stringify(created.body))
  }
})
