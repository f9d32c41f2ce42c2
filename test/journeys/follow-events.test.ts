/** Consumers without a broker: over HTTP, through the gateway, from several processes of the Product Service. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Product } from '#contracts/resources/product.ts'
import type { HttpClient } from '#platform/http/http-client.ts'
import { type EventStream, openEventStream } from '../support/event-stream.ts'
import { eventually, openWorld, type Running, type World } from '../support/world.ts'

let world: World
/** Everything but the gateway; another process of the API; the gateway before that other process. */
let [main, other, gateway]: Running[] = []
let client: HttpClient
let authorization: string
let settings: Record<string, string>
before(async () => {
  world = await openWorld()
  main = await world.start(['user', 'order', 'search', 'product'])
  const issuer = new URL(main.urls.user!).origin
  settings = { ISSUER_URL: `${main.url}/oauth`, JWKS_URL: `${issuer}/oauth/jwks` }
  other = await world.start(['product.api'], settings)
  gateway = await startGateway(other)
  client = world.client(gateway.url, `${issuer}/oauth/token`)
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'admin', client_secret: 'admin-secret' })
  const granted = await fetch(`${issuer}/oauth/token`, { method: 'POST', body: form })
  authorization = `Bearer ${((await granted.json()) as { access_token: string }).access_token}`
})
after(() => world[Symbol.asyncDispose]())

function startGateway(product: Running): Promise<Running> {
  const { user, order, search } = main!.urls
  const urls = { USER_SERVICE_URL: user!, ORDER_SERVICE_URL: order!, SEARCH_SERVICE_URL: search! }
  return world.start(['gateway'], { ...settings, ...urls, PRODUCT_SERVICE_URL: product.urls.product! })
}

const follow = (url: string, after: string | number) =>
  openEventStream(`${url}/v1/events`, { authorization, 'last-event-id': String(after) })

const create = async (): Promise<Product> => {
  const variants = [{ sku: randomUUID(), prices: [{ amount: '10.00', currency: 'EUR' }], inventory: { onHand: 5 } }]
  const { body } = await client.call<Product>('POST', '/v1/products', { body: { title: 'Thing', variants } })
  return body
}
const update = ({ productId }: Product, title: string) => client.call('PATCH', `/v1/products/${productId}`, { body: { title } })
const remove = ({ productId }: Product) => client.call('DELETE', `/v1/products/${productId}`)

type Page = { data: { position: number; event: Record<string, unknown> }[]; nextCursor: string | null; headPosition: number }

const page = async (query: string) => (await client.call<Page>('GET', `/v1/events?${query}`)).body

/** The position of an event that is announced after all that were announced so far. */
async function settledHead(): Promise<number> {
  const { headPosition } = await page(`after=${Number.MAX_SAFE_INTEGER}`)
  const marker = await create()
  await remove(marker)
  const mark = ({ data }: Page) =>
    data.find(({ event }) => event.eventType === 'ProductDeleted' && event.productId === marker.productId)
  const found = await eventually(
    () => page(`after=${headPosition}&limit=1000`),
    found => mark(found) !== undefined
  )
  return mark(found)!.position
}

type Exported = { position: number; products: Map<string, Product> }

async function takeOut(): Promise<Exported> {
  const reply = await fetch(`${gateway!.url}/v1/exports/products.ndjson`, { headers: { authorization } })
  const lines = (await reply.text()).split('\n').filter(line => line !== '')
  const products = lines.map(line => JSON.parse(line) as Product)
  return {
    position: Number(reply.headers.get('event-position')),
    products: new Map(products.map(product => [product.productId, product]))
  }
}

/** What an event says about the catalog: the newer state of a product stands, whichever way it came. */
function apply(products: Map<string, Product>, { event, data }: EventStream['events'][number]): void {
  const { eventId, eventType, eventVersion, source, sequence, timestamp, changedFields, ...product } = JSON.parse(data)
  assert.equal(eventType, event)
  if (event === 'ProductDeleted') products.delete(product.productId)
  if (event !== 'ProductCreated' && event !== 'ProductUpdated') return
  if (product.version > (products.get(product.productId)?.version ?? 0)) products.set(product.productId, product)
}

test('a new consumer takes the catalog out, follows from the position that came with it, and has the same catalog, whoever writes meanwhile', async () => {
  let writing = true
  const writers = [1, 2, 3].map(async () => {
    for (let n = 0; writing; n++) {
      const product = await create()
      await update(product, `Changed ${n}`)
      if (n % 2 === 0) await remove(product)
    }
  })
  const consumers: (Exported & { stream: EventStream })[] = []
  for (let n = 0; n < 4; n++) {
    const exported = await takeOut()
    consumers.push({ ...exported, stream: await follow(gateway!.url, exported.position) })
    await consumers[n]!.stream.until(({ events }) => events.length > 30)
  }
  writing = false
  await Promise.all(writers)
  const head = await settledHead()
  const catalog = await takeOut()
  assert.ok(catalog.products.size > 10)
  for (const { position, products, stream } of consumers) {
    await stream.until(({ lastEventId }) => Number(lastEventId) >= head)
    stream.leave()
    for (const event of stream.events) apply(products, event)
    assert.deepEqual(
      stream.events.map(({ id }) => Number(id)),
      stream.events.map((_, index) => position + 1 + index)
    )
    assert.deepEqual(products, catalog.products)
  }
})

test('pages and the stream say the same, to the character', async () => {
  const head = await settledHead()
  const bodies: string[] = []
  for (let after: string | null = '0'; after !== null; ) {
    const reply = await fetch(`${gateway!.url}/v1/events?after=${after}&limit=77&types=PriceUpdated,ProductCreated`, {
      headers: { authorization }
    })
    const text = await reply.text()
    const { data, nextCursor } = JSON.parse(text) as Page
    for (const { event } of data) {
      const body = JSON.stringify(event)
      assert.ok(text.includes(body))
      bodies.push(body)
    }
    after = nextCursor
  }
  const stream = await openEventStream(`${gateway!.url}/v1/events?types=PriceUpdated,ProductCreated`, { authorization })
  await stream.until(({ events }) => events.length >= bodies.length)
  stream.leave()
  assert.ok(bodies.length > 10 && head > bodies.length)
  assert.deepEqual(
    stream.events.slice(0, bodies.length).map(({ data }) => data),
    bodies
  )
})

test('a process that is killed in the middle of a stream costs the reader nothing: it goes on at another', async () => {
  const from = await settledHead()
  let writing = true
  const writer = (async () => {
    const direct = world.client(new URL(main!.urls.product!).origin, `${new URL(main!.urls.user!).origin}/oauth/token`)
    for (let n = 0; writing; n++) await direct.call('POST', '/v1/products', { body: { title: `Thing ${n}` } })
  })()
  const cut = await follow(gateway!.url, from)
  await cut.until(({ events }) => events.length > 20)
  await other!.kill('SIGKILL')
  await cut.until(({ ended }) => ended !== undefined)
  assert.equal(cut.ended, 'broken')
  const away = await follow(gateway!.url, cut.lastEventId)
  assert.deepEqual([away.status, (await away.problem()).code], [503, 'unavailable'])
  const resumed = await follow(new URL(main!.urls.product!).origin, cut.lastEventId)
  await resumed.until(({ events }) => events.length > 20)
  writing = false
  await writer
  const seen = [...cut.events, ...resumed.events].map(({ id }) => Number(id))
  assert.deepEqual(
    seen,
    seen.map((_, index) => from + 1 + index)
  )
  resumed.leave()
})

test('whoever is told to stop ends its streams and is gone within seconds', async () => {
  const api = await world.start(['product.api'], settings)
  const front = await startGateway(api)
  for (const running of [front, api]) {
    const stream = await follow(running === api ? new URL(api.urls.product!).origin : front.url, 0)
    await stream.until(({ events }) => events.length > 0)
    const started = performance.now()
    await running.kill('SIGTERM')
    assert.ok(performance.now() - started < 10_000, `it took ${Math.round(performance.now() - started)} ms`)
    await stream.until(({ ended }) => ended !== undefined)
  }
})

test('nobody follows without the scope for it', async () => {
  const stream = await openEventStream(`${new URL(main!.urls.product!).origin}/v1/events`, { authorization: 'Bearer x' })
  assert.equal(stream.status, 401)
  stream.leave()
})
