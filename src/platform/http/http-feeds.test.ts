/** A log that grows, followed over HTTP: a service's edge on a real database with a relay. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, mock, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { EventsQuery } from '#contracts/resources/logged-event.ts'
import { everybody } from '../../../test/support/admission.ts'
import { type EventStream, openEventStream } from '../../../test/support/event-stream.ts'
import { change, type Messaging, openMessaging, quiet } from '../../../test/support/messaging.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Actor } from '../identity/actor.ts'
import { openEventPermissions } from '../messaging/event-permissions.ts'
import { type EventTail, openEventTail, type Step } from '../messaging/event-tail.ts'
import { startRelay } from '../messaging/relay.ts'
import { openWakeup } from '../messaging/wakeup.ts'
import { feed, type Input } from './handlers.ts'
import { serve } from './http.ts'
import type { Edge } from './http-answers.ts'
import { serveGateway } from './http-gateway.ts'

const query = Type.Object({
  ...EventsQuery.properties,
  types: Type.Optional(Type.Array(Type.String(), { 'x-commas': true }))
})
const api = defineApi({
  service: 'test',
  title: 'Things',
  version: '1.0.0',
  description: 'Things change.',
  operations: {
    listEvents: {
      method: 'GET',
      path: '/v1/events',
      tag: '',
      summary: '',
      scope: 'events:read',
      query,
      reply: { status: 200, stream: 'text/event-stream', body: Type.Object({}), description: '' },
      problems: ['position-gone']
    }
  }
})
type Asked = Pick<Input<typeof api.operations.listEvents>, 'query'>

let tested: Messaging
let relay: AsyncDisposable
before(async () => {
  tested = await openMessaging({ announced: () => outbox.wake() })
  const { database } = tested
  const outbox = openWakeup(database, 'outbox')
  const eventLog = openWakeup(database, 'event log', { followers: 'many' })
  relay = startRelay({ database, outbox, eventLog, log: quiet })
})
after(async () => {
  await relay[Symbol.asyncDispose]()
  await tested[Symbol.asyncDispose]()
})

const opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]()
})

/** A server that is told of new events only as other processes are. */
async function open({ followersMax = 10, actor = {} as Partial<Actor>, away = (): boolean => false } = {}) {
  const { database } = tested
  const eventLog = openWakeup(database, 'event log', { followers: 'many' })
  const tail = openEventTail({ database, eventLog, log: quiet, followersMax })
  /** How many events each follower was given, in the order of joining. */
  const given: number[] = []
  const counting: EventTail = {
    join() {
      const follower = tail.join()
      const index = given.push(0) - 1
      const counted = async (step: Promise<Step>) => {
        given[index]! += (await step).events.length
        return step
      }
      return {
        read: question => counted(follower.read(question)),
        async next(...asked) {
          if (away()) throw new Problem('unavailable')
          return counted(follower.next(...asked))
        },
        [Symbol.dispose]: () => follower[Symbol.dispose]()
      }
    },
    [Symbol.asyncDispose]: () => tail[Symbol.asyncDispose]()
  }
  const handlers = {
    listEvents: feed(({ query: { after = 0, types, limit = 100 } }: Asked) => ({ after, types: types ?? null, limit }))
  }
  const eventPermissions = openEventPermissions(undefined)
  const edge = {
    database,
    tail: counting,
    eventPermissions,
    handlers,
    baseUrl: 'http://localhost:8080',
    log: quiet
  } as unknown as Edge
  const scopes = new Set(['events:read', 'operations:read'])
  const known = { subject: 'anybody', clientId: 'anybody', issuer: 'test', scopes, ...actor }
  const at = { host: '127.0.0.1', port: 0, shutdownTimeoutMs: 20_000, inFlightMax: 100 }
  const server = await serve({ api, edge, authenticator: { authenticate: () => known }, log: quiet, baseUrl: edge.baseUrl, ...at })
  let closed: PromiseLike<void> | undefined
  const close = () => {
    closed ??= server[Symbol.asyncDispose]().then(() => tail[Symbol.asyncDispose]())
    return closed
  }
  opened.push({ [Symbol.asyncDispose]: async () => close() })
  return { url: `${server.url}/v1/events`, close, given }
}

async function gatewayBefore(url: string, timeoutMs = 35_000) {
  const gateway = await serveGateway({
    upstreams: [{ service: 'test', url: url.replace('/events', ''), resources: ['events'], beside: [] }],
    document: () => ({}),
    admission: everybody,
    corsOrigins: [],
    log: quiet,
    baseUrl: 'http://localhost:8080',
    host: '127.0.0.1',
    port: 0,
    inFlightMax: 100,
    shutdownTimeoutMs: 20_000,
    timeoutMs
  })
  let closed: PromiseLike<void> | undefined
  const close = () => {
    closed ??= gateway[Symbol.asyncDispose]()
    return closed
  }
  opened.push({ [Symbol.asyncDispose]: async () => close() })
  return { url: `${gateway.url}/v1/events`, close }
}

async function follow(url: string, headers: Record<string, string> = {}): Promise<EventStream> {
  const stream = await openEventStream(url, headers)
  opened.push(stream)
  return stream
}

const write = (thingId: string, text?: string) => tested.database.transact(tx => change(tx, thingId, text))
const head = async () => (await tested.database.query<{ position: number }>('select position from event_log_head'))[0]!.position
/** The head, once nothing is on its way into the log. */
async function settled(): Promise<number> {
  await eventually(
    () => tested.database.query<{ waiting: number }>('select count(*) as waiting from outbox'),
    ([row]) => row!.waiting === 0
  )
  return head()
}
const get = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers: { authorization: 'Bearer x', ...headers } })
const ids = (stream: EventStream) => stream.events.map(({ id }) => Number(id))
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)

describe('a page of the feed', () => {
  test('has the bodies character for character, where to go on, and how far behind it is', async () => {
    const { url } = await open()
    for (let n = 0; n < 3; n++) await write('page', '"\\é\u2028 \u0007</script>')
    const newest = await settled()
    const reply = await get(`${url}?after=${newest - 3}&limit=2`)
    const text = await reply.text()
    const rows = await tested.database.query<{ body: string }>(
      'select body from event_log where position > $1 order by 1 limit 2',
      [newest - 3]
    )
    const data = rows.map(({ body }, index) => `{"position":${newest - 2 + index},"event":${body}}`)
    assert.equal(
      text,
      `{"data":[${data.join(',')}],"nextCursor":"${newest - 1}","position":${newest - 1},"headPosition":${newest}}`
    )
    assert.deepEqual(
      [reply.headers.get('content-type'), reply.headers.get('cache-control')],
      ['application/json; charset=utf-8', 'no-store']
    )
    const last = (await (await get(`${url}?after=${newest - 1}`)).json()) as { data: unknown[]; nextCursor: string | null }
    assert.deepEqual([last.data.length, last.nextCursor], [1, null])
    const beyond = await (await get(`${url}?after=${newest + 1000}`)).json()
    assert.deepEqual(beyond, { data: [], nextCursor: null, position: newest + 1000, headPosition: newest })
  })

  test('is what anybody gets who does not ask for a stream alone', async () => {
    const { url } = await open()
    for (const accept of ['*/*', 'application/json', 'application/json, text/event-stream', 'text/event-stream;q=0, */*']) {
      const reply = await get(url, { accept })
      assert.match(reply.headers.get('content-type') ?? '', /^application\/json/, accept)
      await reply.text()
    }
    const neither = await get(url, { accept: 'text/html' })
    assertProblem({ status: neither.status, headers: neither.headers, body: await neither.json() }, 'not-acceptable')
  })
})

describe('a stream of the feed', () => {
  test('has what is there and what comes, each once, in order, as it stands in the log', async () => {
    const { url } = await open()
    const from = await settled()
    for (let n = 0; n < 5; n++) await write('stream')
    const stream = await follow(`${url}?after=${from}`)
    assert.deepEqual(
      [stream.status, stream.headers['content-type'], stream.headers['cache-control']],
      [200, 'text/event-stream; charset=utf-8', 'no-store']
    )
    for (let n = 0; n < 5; n++) await write('stream')
    await stream.until(({ events }) => events.length === 10)
    const rows = await tested.database.query(
      'select position::text as id, type as event, body as data from event_log where position > $1 order by position',
      [from]
    )
    assert.deepEqual(stream.events, rows)
    assert.deepEqual(ids(stream), range(from + 1, from + 10))
  })

  test('tells of an event within tens of milliseconds, also of one that another process moved into the log', async () => {
    const { url } = await open()
    const stream = await follow(`${url}?after=${await settled()}`)
    const took: number[] = []
    for (let n = 1; n <= 30; n++) {
      await write('quick')
      const committed = performance.now()
      await stream.until(({ events }) => events.length === n)
      took.push(performance.now() - committed)
    }
    const median = took.toSorted((a, b) => a - b)[15]!
    assert.ok(median < 100, `it took ${Math.round(median)} ms`)
  })

  test('of some types has these alone, and resumes behind what it left out', async () => {
    const { url } = await open()
    const from = await settled()
    await write('typed')
    const stream = await follow(`${url}?after=${from}&types=ThingChanged`)
    const other = await follow(`${url}?after=${from}&types=Other`)
    await write('typed')
    await stream.until(({ events }) => events.length === 2)
    assert.deepEqual(other.events, [])
  })

  test('is refused before it begins: what is not kept, what is no position, and one more than may be', async () => {
    const { url } = await open({ followersMax: 2 })
    await tested.database.transact(async tx => {
      await tx.query('create table kept as select * from event_log')
      await tx.query('delete from event_log where position <= 2')
    })
    const gone = await openEventStream(`${url}?after=1`)
    assert.deepEqual(await gone.problem().then(({ code, oldestPosition }) => [code, oldestPosition]), ['position-gone', 3])
    assert.equal(gone.status, 410)
    await tested.database.query('insert into event_log select * from kept where position <= 2')
    for (const id of ['x', '-1', '1.5', '9007199254740993']) {
      const refused = await openEventStream(url, { 'last-event-id': id })
      assert.deepEqual([refused.status, (await refused.problem()).code], [400, 'invalid-request'])
    }
    // Those that were refused have left no trace.
    const first = await follow(url)
    await follow(url)
    const third = await openEventStream(url)
    assert.deepEqual([third.status, third.headers['retry-after']], [429, '10'])
    assert.equal((await get(url)).status, 200)
    first.leave()
    await eventually(
      async () => follow(url),
      ({ status }) => status === 200
    )
  })

  test('goes on after Last-Event-ID, whatever the address says', async () => {
    const { url } = await open()
    for (let n = 0; n < 4; n++) await write('resumed')
    const newest = await settled()
    const stream = await follow(`${url}?after=0`, { 'last-event-id': String(newest - 2) })
    await stream.until(({ events }) => events.length === 2)
    assert.deepEqual(ids(stream), [newest - 1, newest])
    const fresh = await follow(`${url}?after=${newest - 1}`, { 'last-event-id': '' })
    await fresh.until(({ events }) => events.length === 1)
  })

  test('answers HEAD with its headers, and keeps nobody else from following', async () => {
    const { url } = await open({ followersMax: 1 })
    for (let n = 0; n < 3; n++) {
      const reply = await fetch(url, { method: 'HEAD', headers: { authorization: 'Bearer x', accept: 'text/event-stream' } })
      assert.deepEqual([reply.status, reply.headers.get('content-type')], [200, 'text/event-stream; charset=utf-8'])
    }
  })

  test('goes through the gateway as it comes, for longer than an answer may take to begin', async () => {
    const timeoutMs = 200
    const { url } = await gatewayBefore((await open()).url, timeoutMs)
    const from = await settled()
    const stream = await follow(`${url}?after=${from}`)
    const since = performance.now()
    let count = 0
    for (; performance.now() - since < 4 * timeoutMs; count++) {
      await write('forwarded')
      await stream.until(({ events }) => events.length === count + 1)
    }
    assert.deepEqual(ids(stream), range(from + 1, from + count))
    assert.equal(stream.ended, undefined)
  })

  test('ends with a reason when the database is away, and resumes where it was', async () => {
    let away = false
    const { url } = await open({ away: () => away })
    const from = await settled()
    const stream = await follow(`${url}?after=${from}`)
    await write('outage')
    await stream.until(({ events }) => events.length === 1)
    away = true
    await write('outage')
    await settled()
    await stream.until(({ ended }) => ended !== undefined)
    assert.deepEqual(stream.events.at(-1)?.data, '{"reason":"unavailable"}')
    away = false
    await write('outage')
    const resumed = await follow(url, { 'last-event-id': stream.lastEventId })
    await resumed.until(({ events }) => events.length > 0)
    assert.equal(ids(resumed)[0], Number(stream.lastEventId) + 1)
  })

  test('ends with the token', async () => {
    const { url } = await open({ actor: { expiresAtMs: Date.now() + 300 } })
    const stream = await follow(`${url}?after=${await settled()}`)
    await stream.until(({ ended }) => ended !== undefined)
    assert.equal(stream.ended, 'whole')
    assert.deepEqual(stream.events.at(-1), { id: '', event: 'end', data: '{"reason":"token-expired"}' })
  })

  test('says at least every 15 seconds that it is there, and how far it has looked', async () => {
    const { url } = await open()
    const from = await settled()
    await write('quiet')
    await settled()
    mock.timers.enable({ apis: ['setTimeout'] })
    const now = performance.now.bind(performance)
    const later = mock.method(performance, 'now')
    try {
      const stream = await openEventStream(`${url}?after=${from}&types=Other`)
      opened.push(stream)
      later.mock.mockImplementation(() => now() + 15_000)
      for (let n = 0; n < 5; n++) {
        mock.timers.tick(15_000)
        for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
      }
      mock.timers.reset()
      await stream.until(({ comments }) => comments > 0)
      assert.deepEqual([stream.events, stream.lastEventId], [[], String(from + 1)])
    } finally {
      later.mock.restore()
      mock.timers.reset()
    }
  })
})

describe('a reader that does not read', () => {
  test('is given no more than the connection holds, delays nobody, and reads on without a gap', async () => {
    const { url, given } = await open()
    const from = await settled()
    const slow = await follow(`${url}?after=${from}`)
    slow.pause()
    const quick = await follow(`${url}?after=${from}`)
    // Far more than the connection and the memory for the newest events hold.
    const count = await writeMuch(12)
    await quick.until(({ events }) => events.length === count)
    assert.deepEqual(given.length, 2)
    assert.ok(given[0]! < (count * 2) / 3, `${given[0]} of ${count} events were made for who reads nothing`)
    slow.resume()
    await slow.until(({ events }) => events.length === count)
    assert.deepEqual(ids(slow), range(from + 1, from + count))
    assert.deepEqual(ids(quick), ids(slow))
  })

  test('is cut off when it has taken nothing for half a minute', async () => {
    const { url } = await open({ followersMax: 1 })
    const real = setTimeout
    const soon = mock.method(globalThis, 'setTimeout', (run: () => void, ms: number) => real(run, ms === 30_000 ? 200 : ms))
    try {
      const stream = await follow(`${url}?after=${await settled()}`)
      stream.pause()
      await writeMuch(8)
      await eventually(
        () => follow(url),
        ({ status }) => status === 200
      )
      stream.resume()
      await stream.until(({ ended }) => ended !== undefined)
      assert.equal(stream.ended, 'broken')
    } finally {
      soon.mock.restore()
    }
  })
})

/** So many transactions, each of twenty-five events of a hundred kilobytes. */
async function writeMuch(transactions: number): Promise<number> {
  for (let n = 0; n < transactions; n++) {
    await tested.database.transact(async tx => {
      for (let i = 0; i < 25; i++) await change(tx, `much ${i}`, 'x'.repeat(100_000))
    })
  }
  return transactions * 25
}

describe('stopping', () => {
  for (const way of ['a service', 'the gateway'] as const) {
    test(`${way} ends its streams at once, so that they resume elsewhere without a gap`, async () => {
      const service = await open()
      const stopped = way === 'a service' ? service : await gatewayBefore(service.url)
      const from = await settled()
      const stream = await follow(`${stopped.url}?after=${from}`)
      await write('stopped')
      await stream.until(({ events }) => events.length === 1)
      const started = performance.now()
      await stopped.close()
      assert.ok(performance.now() - started < 2000, `it took ${Math.round(performance.now() - started)} ms`)
      await stream.until(({ ended }) => ended !== undefined)
      assert.equal(stream.ended, 'whole')
      if (way === 'a service') assert.equal(stream.events.at(-1)?.data, '{"reason":"shutting-down"}')
      await write('stopped')
      const resumed = await follow((await open()).url, { 'last-event-id': stream.lastEventId })
      await resumed.until(({ events }) => events.length === 1)
      assert.deepEqual(ids(resumed), [from + 2])
    })
  }

  test('does not wait for a reader that does not read', async () => {
    const { url, close } = await open()
    const from = await settled()
    const stream = await follow(`${url}?after=${from}`)
    stream.pause()
    await writeMuch(8)
    await settled()
    await delay(100)
    const started = performance.now()
    await close()
    assert.ok(performance.now() - started < 5000, `it took ${Math.round(performance.now() - started)} ms`)
  })
})

test('who reconnects at any moment while many write gets every event exactly once, in order', async () => {
  const service = await open()
  const gateway = await gatewayBefore(service.url)
  const from = await settled()
  let writing = true
  const writers = range(1, 4).map(async writer => {
    for (let n = 0; writing; n++) await write(`writer ${writer} ${n % 5}`)
  })
  const seen: number[] = []
  let last = String(from)
  for (let round = 0; round < 40; round++) {
    const stream = await follow((round % 2 ? gateway : service).url, { 'last-event-id': last })
    const enough = Math.floor(Math.random() * 30)
    await stream.until(({ events }) => events.length >= enough)
    stream.leave()
    seen.push(...ids(stream))
    last = stream.lastEventId
  }
  writing = false
  await Promise.all(writers)
  const newest = await settled()
  const rest = await follow(service.url, { 'last-event-id': last })
  await rest.until(({ lastEventId }) => lastEventId === String(newest))
  seen.push(...ids(rest))
  assert.deepEqual(seen, range(from + 1, newest))
})
