/** API keys where every service is a process of its own: two of the Product Service, and those that have to ask it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { IssuedApiKey } from '#contracts/resources/api-key.ts'
import type { HttpClient } from '#platform/http/http-client.ts'
import { freePort } from '../support/free-port.ts'
import { eventually, openWorld, type Running, type World } from '../support/world.ts'

let world: World
let admin: HttpClient
/** The Product Service that others ask. */
let product: Running
/** A question to each service, in three processes, which a key with these scopes is let in with. */
let questions: Record<string, string>
const scopes = ['catalog:read', 'orders:read', 'events:read']

before(async () => {
  world = await openWorld()
  const first = await world.start(['user', 'product.api'])
  const issuer = new URL(first.urls.user!).origin
  const port = await freePort()
  const settings = {
    ISSUER_URL: `${first.url}/oauth`,
    JWKS_URL: `${issuer}/oauth/jwks`,
    USER_SERVICE_URL: first.urls.user!,
    PRODUCT_SERVICE_URL: `http://127.0.0.1:${port}/v1`
  }
  const neighbours = world.start(['order', 'search', 'gateway'], settings)
  product = await world.start(['product.api', 'product.relay'], { ...settings, PORT: String(port) })
  const { url, urls } = await neighbours
  admin = world.client(new URL(product.urls.product!).origin, `${issuer}/oauth/token`)
  questions = {
    'the Product Service': `${product.urls.product}/products?limit=1`,
    'another process of it': `${first.urls.product}/products?limit=1`,
    'the Order Service': `${urls.order}/orders?limit=1`,
    'the Search Service': `${urls.search}/search?q=lamp`,
    'the gateway': `${url}/v1/orders?limit=1`
  }
})
after(() => world[Symbol.asyncDispose]())

async function createKey(more: object = {}): Promise<IssuedApiKey & { key: string }> {
  const { status, body } = await admin.call<IssuedApiKey>('POST', '/v1/api-keys', { body: { name: 'Partner', scopes, ...more } })
  assert.equal(status, 201, JSON.stringify(body))
  return body as IssuedApiKey & { key: string }
}

async function ask(url: string, headers: Record<string, string>): Promise<number> {
  const reply = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) })
  await reply.body?.cancel()
  return reply.status
}

const askWith = (url: string, key: string) => ask(url, { 'x-api-key': key })

/** What every process answers to a key. */
async function answers(key: string): Promise<Record<string, number>> {
  const entries = Object.entries(questions).map(async ([name, url]) => [name, await askWith(url, key)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

const everywhere = (status: number) => Object.fromEntries(Object.keys(questions).map(name => [name, status]))

test('a key lets its bearer in at every service, as far as its scopes go, and never to keys', async () => {
  const { key } = await createKey()
  assert.deepEqual(await answers(key), everywhere(200))
  const narrow = (await createKey({ scopes: ['inventory:read'] })).key
  assert.deepEqual(await answers(narrow), everywhere(403))
  for (const path of ['/api-keys', `/api-keys/01990000-0000-7000-8000-000000000000`])
    assert.equal(await askWith(product.urls.product! + path, key), 403)
})

test('a request with a key and a token is refused at every service, whichever of them is good', async () => {
  const { key } = await createKey()
  for (const [name, url] of Object.entries(questions)) {
    for (const headers of [
      { 'x-api-key': key, authorization: 'Bearer x' },
      { 'x-api-key': 'x', authorization: '' }
    ])
      assert.equal(await ask(url, headers), 400, name)
  }
})

test('a stream of events ends within five seconds of the key that it was opened with', async () => {
  const { apiKeyId, key } = await createKey()
  const headers = { 'x-api-key': key, accept: 'text/event-stream' }
  const stream = await fetch(`${product.urls.product}/events`, { headers, signal: AbortSignal.timeout(30_000) })
  assert.equal(stream.status, 200)
  const text = stream.text()
  await admin.call('DELETE', `/v1/api-keys/${apiKeyId}`)
  const gone = performance.now()
  assert.match(await text, /event: end\ndata: \{"reason":"credentials-ended"\}\n\n$/)
  assert.ok(performance.now() - gone < 5000)
})

test('while the Product Service does not answer, nobody is let in elsewhere whose key is not known; when it does, all are', async () => {
  const [known, unknown] = [await createKey(), await createKey()]
  const atOrders = ({ key }: { key: string }) => askWith(questions['the Order Service']!, key)
  assert.equal(await atOrders(known), 200)
  process.kill(product.pid, 'SIGSTOP')
  const away = performance.now()
  try {
    assert.equal(await atOrders(unknown), 503)
    // A known key goes on for three seconds at most, and is then answered the same: never let in, never called wrong.
    const seen = new Set<number>()
    await eventually(
      async () => {
        const sentMs = performance.now() - away
        const status = await atOrders(known)
        assert.ok(status === 503 || (status === 200 && sentMs < 3000), `${status} after ${sentMs} ms`)
        seen.add(status)
        return sentMs
      },
      ms => ms > 4000
    )
    assert.ok(seen.has(503))
  } finally {
    process.kill(product.pid, 'SIGCONT')
  }
  for (const key of [known, unknown])
    await eventually(
      () => atOrders(key),
      status => status === 200,
      60_000
    )
})

// Last: by going on with the key, it uses up the wrong keys that may come from our address in a minute, and new keys get 429 then.
test('a key that is taken back is refused by every process within five seconds, and never let in again', async () => {
  const { apiKeyId, key } = await createKey()
  assert.deepEqual(await answers(key), everywhere(200))
  // In use all the time, so that it is known everywhere at the moment at which it ends.
  let done = false
  const following = Object.entries(questions).map(async ([name, url]) => {
    const seen: { status: number; sentAt: number }[] = []
    await eventually(
      async () => {
        const sentAt = performance.now()
        seen.push({ status: await askWith(url, key), sentAt })
        return done
      },
      over => over,
      60_000
    )
    return { name, seen }
  })
  assert.equal((await admin.call('DELETE', `/v1/api-keys/${apiKeyId}`)).status, 204)
  const gone = performance.now()
  await eventually(
    () => Promise.resolve(performance.now() - gone),
    ms => ms > 6000
  )
  done = true
  for (const { name, seen } of await Promise.all(following)) {
    const lastGood = seen.findLast(({ status }) => status === 200)!.sentAt - gone
    assert.ok(lastGood < 5000, `${name} let it in ${lastGood} ms after`)
    // 429 is said to who goes on all the same.
    const after = seen.slice(seen.findIndex(({ status }) => status === 401))
    assert.ok(after.length > 1 && after.every(({ status }) => status !== 200), name)
  }
})
