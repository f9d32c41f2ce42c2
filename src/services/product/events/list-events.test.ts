/** Who may read what of the log, over the whole edge: what the operator says in EVENT_CONSUMERS, on pages and streams. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { everyoneReads } from '#contracts/event-consumers.ts'
import { startRelay } from '#platform/messaging/relay.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import { openEventStream } from '../../../../test/support/event-stream.ts'
import { quiet } from '../../../../test/support/messaging.ts'
import { assertProblem } from '../../../../test/support/problem.ts'
import { type RunningService, runService } from '../../../../test/support/service.ts'
import { eventually } from '../../../../test/support/world.ts'
import { productService } from '../service.ts'

const EVENT_CONSUMERS = JSON.stringify({
  consumers: {
    stock: { clients: ['stock'], reads: { 'product.events': ['InventoryUpdated', 'InventoryLowStock'] } },
    rare: { clients: ['rare'], reads: { 'product.events': ['ProductImportCompleted'] } },
    orders: { clients: ['orders'], reads: { 'order.events': ['*'] } }
  }
})
const PRODUCTS = 12

const stack = new AsyncDisposableStack()
let service: RunningService
let head: number

before(async () => {
  service = stack.use(await runService(productService, { EVENT_CONSUMERS }))
  const [outbox, eventLog] = ['outbox', 'event log'].map(name => openWakeup(service.database, name))
  stack.use(startRelay({ database: service.database, outbox: outbox!, eventLog: eventLog!, log: quiet }))
  for (let n = 0; n < PRODUCTS; n++) await create(n)
  head = await settledHead()
})
after(() => stack.disposeAsync())

/** Announces ProductCreated and InventoryUpdated. */
async function create(n: number): Promise<void> {
  const variants = [{ sku: `PERMITTED-${n}`, prices: [{ amount: '10.00', currency: 'EUR' }], inventory: { onHand: 5 } }]
  assert.equal((await service.request('POST', '/v1/products', { title: `Thing ${n}`, variants })).status, 201)
}

async function settledHead(): Promise<number> {
  await eventually(
    () => service.database.query<{ waiting: number }>('select count(*) as waiting from outbox'),
    ([row]) => row!.waiting === 0
  )
  return (await service.database.query<{ position: number }>('select position from event_log_head'))[0]!.position
}

const as = (client: string, ...scopes: string[]) => ({ authorization: ['Bearer', client, 'events:read', ...scopes].join(' ') })
const read = (headers: Record<string, string>, query = 'limit=1000') =>
  service.request('GET', `/v1/events?${query}`, undefined, headers)
type Logged = { position: number; event: { eventType: string } }
const typesOn = (data: Logged[]) => [...new Set(data.map(({ event }) => event.eventType))].sort()

/** Reads to the head in pages of so many, as `docs/how-to/follow-events.md` says. */
async function readAll(headers: Record<string, string>, limit: number): Promise<{ events: Logged[]; pages: number }> {
  const events: Logged[] = []
  for (let after = '0', pages = 1; ; pages++) {
    const { body } = await read(headers, `after=${after}&limit=${limit}`)
    events.push(...body.data)
    if (body.nextCursor === null) return { events, pages }
    assert.ok(Number(body.nextCursor) > Number(after))
    after = body.nextCursor
  }
}

describe('a page of events', () => {
  test('has what the client may read and nothing else; whoever reads on in small pages gets all of that', async () => {
    const everything = (await read(as('operator', 'operations:read'))).body.data as Logged[]
    assert.equal(everything.length, head)
    assert.ok(typesOn(everything).includes('ProductCreated') && typesOn(everything).includes('InventoryUpdated'))
    const readers: [string, readonly string[]][] = [
      ['stock', ['InventoryUpdated', 'InventoryLowStock']],
      ['nobody-in-particular', everyoneReads]
    ]
    for (const [client, permitted] of readers) {
      const expected = everything.filter(({ event }) => permitted.includes(event.eventType))
      assert.ok(expected.length >= PRODUCTS && expected.length < head)
      for (const limit of [1, 5, 1000]) assert.deepEqual((await readAll(as(client), limit)).events, expected)
    }
  })

  test('of which nothing may be read is empty and says how far it has looked', async () => {
    const { status, body } = await read(as('rare'), 'after=0&limit=1')
    assert.deepEqual([status, body], [200, { data: [], nextCursor: null, position: head, headPosition: head }])
  })

  test('is refused where it names a type that may not be read, which is named; nothing is sent', async () => {
    for (const query of ['types=ProductCreated', 'types=InventoryUpdated,ProductCreated,PriceUpdated&limit=1']) {
      const refused = await read(as('stock'), query)
      assertProblem(refused, 'event-type-not-permitted')
      const named = query.includes('Price') ? ['ProductCreated', 'PriceUpdated'] : ['ProductCreated']
      assert.deepEqual(refused.body.eventTypes, named)
      assert.match(refused.body.detail, new RegExp(named.join(', ')))
    }
    assert.equal((await read(as('stock'), 'types=InventoryUpdated')).status, 200)
    assertProblem(await read(as('orders')), 'event-type-not-permitted')
  })

  test('is no way around the scope: an entry alone opens nothing', async () => {
    assertProblem(await read({ authorization: 'Bearer stock catalog:read' }), 'insufficient-scope')
  })
})

describe('a stream of events', () => {
  test('has what the client may read, of what was there and of what comes', async () => {
    const url = `${service.url}/v1/events`
    const stock = await openEventStream(url, as('stock'))
    const anybody = await openEventStream(url, { ...as('anybody'), 'last-event-id': String(head) })
    const operator = await openEventStream(url, { ...as('operator', 'operations:read'), 'last-event-id': String(head) })
    try {
      for (let n = PRODUCTS; n < PRODUCTS + 5; n++) await create(n)
      const newest = await settledHead()
      await operator.until(({ lastEventId }) => Number(lastEventId) === newest)
      await stock.until(({ events }) => events.length === PRODUCTS + 5)
      await anybody.until(({ events }) => events.length === 15)
      assert.deepEqual(new Set(stock.events.map(({ event }) => event)), new Set(['InventoryUpdated']))
      assert.deepEqual(
        new Set(anybody.events.map(({ event }) => event)),
        new Set(['ProductCreated', 'VariantCreated', 'PriceUpdated'])
      )
      assert.ok(operator.events.some(({ event }) => event === 'InventoryUpdated'))
      const told = (await read(as('stock'))).body.data as Logged[]
      assert.deepEqual(
        stock.events.map(({ id, data }) => ({ position: Number(id), event: JSON.parse(data) })),
        told
      )
    } finally {
      for (const stream of [stock, anybody, operator]) stream.leave()
    }
  })

  test('is refused before it begins where it names a type that may not be read', async () => {
    const stream = await openEventStream(`${service.url}/v1/events?types=ProductCreated`, as('stock'))
    assert.deepEqual([stream.status, (await stream.problem()).code], [403, 'event-type-not-permitted'])
  })
})
