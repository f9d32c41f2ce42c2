/** What every call to others keeps to, against a real server behind a line that can be cut, slowed and silenced. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { type Neighbour, startNeighbour } from '../../../test/support/neighbour.ts'
import { eventually } from '../../../test/support/world.ts'
import { becauseOf } from '../resilience/cause.ts'
import { registry } from '../telemetry.ts'
import { CallFailed, type HttpClientOptions, openHttpClient } from './http-client.ts'

/** A busy machine is not what is tested. */
const PATIENT = { timeoutMs: 60_000, tryTimeoutMs: 30_000 }

/** A neighbour and a client of an integration of its own, so that figures are of this test alone. */
async function open(options: Partial<HttpClientOptions> = {}) {
  const stack = new AsyncDisposableStack()
  const neighbour = stack.use(await startNeighbour())
  const name = `neighbour-${randomUUID()}`
  const client = stack.use(openHttpClient({ url: neighbour.url, name, ...PATIENT, ...options }))
  const get = () => client.call('GET', '/things')
  return { neighbour, client, name, get, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** A breaker that stays out of what is tested. */
const NEVER = { guard: { failures: 1_000_000, queue: 100 } }

const failing = (reason: string) => (error: unknown) => error instanceof CallFailed && error.reason === reason

async function figure(metric: string, integration: string, outcome?: string): Promise<number> {
  const lines = (await registry.metrics()).split('\n').filter(line => line.startsWith(`${metric}{`) && line.includes(integration))
  const of = lines.find(line => outcome === undefined || line.includes(`outcome="${outcome}"`))
  return Number(of?.split(' ').at(-1) ?? 0)
}

const keysIn = ({ asked }: Neighbour) => asked.map(({ headers }) => headers['idempotency-key'])

describe('a circuit breaker', () => {
  test('opens after five failures within ten seconds, and then nothing is sent any more', async () => {
    await using at = await open({ tries: 1 })
    at.neighbour.answer(500)
    for (let n = 0; n < 5; n++) assert.equal((await at.get()).status, 500)
    assert.equal(at.neighbour.asked.length, 5)
    await assert.rejects(at.get(), failing('breaker-open'))
    await assert.rejects(at.get(), failing('breaker-open'))
    assert.equal(at.neighbour.asked.length, 5)
    assert.equal(await figure('http_client_breaker_state', at.name), 2)
    assert.equal(await figure('http_client_calls_total', at.name, 'failed'), 5)
    assert.equal(await figure('http_client_calls_total', at.name, 'breaker-open'), 2)
  })

  test('opens when the line is cut as well, and closes once it is whole again', async () => {
    await using at = await open({ tries: 1, guard: { halfOpenAfterMs: 100 } })
    at.neighbour.line.cut()
    for (let n = 0; n < 5; n++) await assert.rejects(at.get(), failing('unreachable'))
    await assert.rejects(at.get(), failing('breaker-open'))
    at.neighbour.line.heal()
    const reply = await eventually(
      () => at.get().catch(() => undefined),
      answer => answer !== undefined
    )
    assert.equal(reply!.status, 200)
    assert.equal(await figure('http_client_breaker_state', at.name), 0)
  })

  test('lets one try through when it is half open, however many want to, and the others do as that finds out', async () => {
    const halfOpenAfterMs = 2000
    await using at = await open({ tries: 1, guard: { halfOpenAfterMs } })
    at.neighbour.answer(503)
    for (let n = 0; n < 5; n++) await at.get()
    const many = async () => {
      const since = performance.now()
      await eventually(
        async () => performance.now() - since,
        ms => ms > halfOpenAfterMs + 10
      )
      return Promise.allSettled(Array.from({ length: 20 }, at.get))
    }
    const first = await many()
    assert.equal(at.neighbour.asked.length, 6)
    assert.equal(first.filter(end => end.status === 'rejected' && failing('breaker-open')(end.reason)).length, 19)
    at.neighbour.answer(200)
    const second = await many()
    assert.ok(second.every(({ status }) => status === 'fulfilled'))
    assert.equal(at.neighbour.asked.length, 26)
    assert.equal(await figure('http_client_breaker_state', at.name), 0)
  })

  test('is not closed by a half-open try of which nobody waited for the end', async () => {
    await using at = await open({ tries: 1, guard: { halfOpenAfterMs: 100 } })
    at.neighbour.answer(500)
    for (let n = 0; n < 5; n++) await at.get()
    at.neighbour.answer(undefined)
    const gone = new AbortController()
    const impatient = () => at.client.call('GET', '/things', { signal: gone.signal })
    const trying = eventually(
      () => impatient().catch((error: CallFailed) => error.reason),
      end => end === 'cancelled'
    )
    await eventually(
      async () => at.neighbour.asked.length,
      asked => asked === 6
    )
    gone.abort()
    await trying
    const state = await eventually(
      () => figure('http_client_breaker_state', at.name),
      value => value !== 1
    )
    assert.equal(state, 2)
  })

  test('stays closed for refusals, and for failures that are fewer than the successes', async () => {
    await using at = await open({ tries: 1 })
    at.neighbour.answer(404)
    for (let n = 0; n < 6; n++) assert.equal((await at.get()).status, 404)
    at.neighbour.answer(500)
    for (let n = 0; n < 5; n++) await at.get()
    assert.equal(await figure('http_client_breaker_state', at.name), 0)
    await at.get()
    assert.equal(await figure('http_client_breaker_state', at.name), 2)
  })
})

describe('retries', () => {
  test('are a tenth of all calls at most, beside a reserve of ten', async () => {
    await using at = await open({ tries: 3, ...NEVER })
    at.neighbour.answer(503)
    await Promise.all(Array.from({ length: 90 }, at.get))
    const extra = at.neighbour.asked.length - 90
    assert.ok(extra >= 10 && extra <= 19, `${extra} retries of 90 calls`)
    assert.equal(await figure('http_client_retries_total', at.name, 'sent'), extra)
    assert.ok((await figure('http_client_retries_total', at.name, 'refused')) > 0)
  })

  test('are not made of a POST or PATCH without a key, whether it was answered or broken off', async () => {
    await using at = await open({ ...NEVER })
    at.neighbour.answer(503)
    for (const method of ['POST', 'PATCH'] as const)
      assert.equal((await at.client.call(method, '/things', { body: {} })).status, 503)
    at.neighbour.line.cut()
    await assert.rejects(at.client.call('POST', '/things', { body: {} }), failing('unreachable'))
    assert.equal(at.neighbour.asked.length, 2)
    assert.deepEqual(keysIn(at.neighbour), [undefined, undefined])
    assert.equal(await figure('http_client_retries_total', at.name), 0)
  })

  test('are made of what may be sent twice: by its method, by its key, which stays the same, or because it changes nothing', async () => {
    await using at = await open({ ...NEVER })
    at.neighbour.answer(503)
    await at.client.call('PUT', '/things', { body: {} })
    await at.client.call('DELETE', '/things')
    await at.client.call('POST', '/things', { form: { token: 'a b' }, repeatable: true })
    assert.equal(at.neighbour.asked.length, 9)
    assert.equal(at.neighbour.asked[8]!.body, 'token=a+b')
    await at.client.call('POST', '/things', { body: {}, idempotencyKey: 'once' })
    assert.deepEqual(keysIn(at.neighbour).slice(9), ['once', 'once', 'once'])
  })

  test('are not made when the neighbour asks for more patience than there is', async () => {
    await using at = await open({ ...NEVER, timeoutMs: 1500 })
    at.neighbour.answer(503, {}, { 'retry-after': '2' })
    assert.equal((await at.get()).status, 503)
    assert.equal(at.neighbour.asked.length, 1)
  })

  test('of a tool go on while the service is away, under a key that was made for it', async () => {
    await using neighbour = await startNeighbour()
    await using client = openHttpClient({ url: neighbour.url })
    neighbour.line.cut()
    const call = client.call('POST', '/things', { body: {} })
    neighbour.line.heal()
    assert.equal((await call).status, 200)
    neighbour.answer(503)
    const waiting = client.call('POST', '/things', { body: {} })
    await eventually(
      async () => neighbour.asked.length,
      asked => asked >= 4
    )
    neighbour.answer(200)
    assert.equal((await waiting).status, 200)
    const [first, second, third] = keysIn(neighbour)
    assert.match(first as string, /^[0-9a-f-]{36}$/)
    assert.notEqual(second, first)
    assert.equal(third, second)
  })
})

describe('a deadline', () => {
  test('ends a call that nobody answers, and is told to whoever is called', async () => {
    await using at = await open({ timeoutMs: 1500, tryTimeoutMs: 1000 })
    at.neighbour.answer(undefined)
    const began = performance.now()
    await assert.rejects(at.get(), failing('timeout'))
    const took = performance.now() - began
    assert.ok(took >= 1490 && took < 10_000, `${took} ms`)
    const told = at.neighbour.asked.map(({ headers }) => Number(headers['x-request-timeout']))
    assert.ok(told[0]! > 500 && told[0]! <= 1000, `${told}`)
    assert.ok(
      told.slice(1).every(ms => ms <= 500),
      `${told}`
    )
    await eventually(
      async () => at.neighbour.waiting,
      waiting => waiting === 0
    )
  })

  test('of the request or message that causes a call is the call’s, and who wanted too much of a neighbour is not held against it', async () => {
    await using at = await open()
    at.neighbour.answer(undefined)
    const impatient = () => becauseOf({ traceparent: undefined, deadlineAt: performance.now() + 500 }, at.get)
    for (let n = 0; n < 6; n++) await assert.rejects(impatient(), failing('timeout'))
    assert.ok(at.neighbour.asked.every(({ headers }) => Number(headers['x-request-timeout']) <= 500))
    assert.equal(await figure('http_client_breaker_state', at.name), 0)
  })

  test('a call ends when whoever causes it goes away, but not one whose answer is for others too', async () => {
    await using at = await open()
    await using shared = await open({ shared: true })
    for (const { neighbour } of [at, shared]) neighbour.answer(undefined)
    const gone = new AbortController()
    const cause = { traceparent: undefined, deadlineAt: performance.now() + 60_000, signal: gone.signal }
    const [own, ours] = becauseOf(cause, () => [at.get(), shared.get()])
    await eventually(
      async () => at.neighbour.waiting + shared.neighbour.waiting,
      waiting => waiting === 2
    )
    gone.abort()
    await assert.rejects(own!, failing('cancelled'))
    assert.equal(shared.neighbour.waiting, 1)
    await assert.rejects(ours!, failing('timeout'))
    assert.equal(await figure('http_client_breaker_state', at.name), 0)
  })
})

describe('a bulkhead', () => {
  test('has so many calls under way and so many wait, and refuses the rest at once', async () => {
    await using at = await open({ tries: 1, guard: { concurrency: 2, queue: 1 } })
    at.neighbour.line.weather({ latencyMs: 200 })
    const ends = await Promise.allSettled(Array.from({ length: 5 }, at.get))
    assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 3)
    const refused = ends.filter(end => end.status === 'rejected')
    assert.ok(refused.every(({ reason }) => failing('overloaded')(reason)))
    assert.equal(at.neighbour.asked.length, 3)
    assert.equal(await figure('http_client_calls_total', at.name, 'overloaded'), 2)
  })

  test('does not keep those who wait for longer than their deadline, while others are patient', async () => {
    await using at = await open({ tries: 1, guard: { concurrency: 1, queue: 5 } })
    at.neighbour.answer(undefined)
    const gone = new AbortController()
    const patient = at.client.call('GET', '/things', { signal: gone.signal })
    await eventually(
      async () => at.neighbour.waiting,
      waiting => waiting === 1
    )
    const impatient = becauseOf({ traceparent: undefined, deadlineAt: performance.now() + 500 }, at.get)
    await assert.rejects(impatient, failing('timeout'))
    assert.equal(at.neighbour.waiting, 1)
    gone.abort()
    await assert.rejects(patient, failing('cancelled'))
    assert.equal(at.neighbour.asked.length, 1)
  })
})

describe('a call', () => {
  test('carries the trace of its cause, whether or not anybody exports spans', async () => {
    await using at = await open({ ...NEVER })
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    await becauseOf({ traceparent }, at.get)
    await becauseOf({ traceparent }, () => at.client.call('POST', '/things', { body: {} }))
    await at.get()
    assert.deepEqual(
      at.neighbour.asked.map(({ headers }) => headers.traceparent),
      [traceparent, traceparent, undefined]
    )
  })

  test('tells why it failed by the name of the integration, and never where that is', async () => {
    await using at = await open({ tries: 1, url: 'http://user:secret@127.0.0.1:1/v1' })
    const failure = await at.get().catch((error: CallFailed) => error)
    assert.ok(failure instanceof CallFailed)
    assert.equal(failure.code, 'ECONNREFUSED')
    assert.equal(failure.message, `${at.name} was not reached: unreachable (ECONNREFUSED)`)
    await using unknown = await open({ url: () => undefined })
    await assert.rejects(unknown.get(), failing('unconfigured'))
  })

  test('whose token is refused is made with another one, which is not fetched for every refusal', async () => {
    await using tokens = await startNeighbour()
    const credentials = { tokenUrl: `${tokens.url}oauth/token`, clientId: 'us', clientSecret: 'secret' }
    await using at = await open({ credentials, tries: 1 })
    const give = (token: string) => tokens.answer(200, { access_token: token, expires_in: 3600 })
    const taking = (token: string) =>
      at.neighbour.answer(({ headers }) => (headers.authorization === `Bearer ${token}` ? 200 : 401))
    give('first')
    taking('first')
    assert.equal((await at.get()).status, 200)
    give('second')
    taking('second')
    const changes = () => at.client.call('POST', '/things', { body: { n: 1 } })
    const ends = await Promise.all([at.get(), at.get(), changes()])
    assert.deepEqual(
      ends.map(({ status }) => status),
      [200, 200, 200]
    )
    assert.equal(tokens.asked.length, 2)
    taking('third')
    for (let n = 0; n < 5; n++) assert.equal((await at.get()).status, 401)
    assert.equal(tokens.asked.length, 2)
  })

  test('goes below the address that it was given, and to a whole one without our token', async () => {
    await using tokens = await startNeighbour()
    tokens.answer(200, { access_token: 'ours', expires_in: 3600 })
    await using other = await startNeighbour()
    await using at = await open({ credentials: { tokenUrl: `${tokens.url}oauth/token`, clientId: 'us', clientSecret: 'secret' } })
    await Promise.all([at.get(), at.get()])
    await at.client.call('GET', `${other.url}elsewhere?page=1`)
    assert.deepEqual(
      at.neighbour.asked.map(({ headers }) => headers.authorization),
      ['Bearer ours', 'Bearer ours']
    )
    assert.equal(tokens.asked.length, 1)
    assert.deepEqual(
      other.asked.map(({ path, headers }) => [path, headers.authorization]),
      [['/elsewhere?page=1', undefined]]
    )
  })

  test('does not take in an answer without end', async () => {
    await using at = await open({ tries: 1, bytesMax: 1000 })
    at.neighbour.answer(200, 'x'.repeat(5000))
    await assert.rejects(at.get(), failing('unreachable'))
  })
})
