/** What is called for a request knows its trace, and waits no longer than its caller does. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { startNeighbour } from '../../../test/support/neighbour.ts'
import { eventually } from '../../../test/support/world.ts'
import { openLog } from '../log.ts'
import { read } from './handlers.ts'
import { type HttpOptions, serve } from './http.ts'
import { type CallFailed, openHttpClient } from './http-client.ts'

const ofThings = {
  path: '/things',
  tag: '',
  summary: '',
  scope: 'orders:read',
  reply: { status: 200, body: Type.Object({}), description: '' }
} as const
const api = defineApi({
  service: 'test',
  title: 'Test',
  version: '1.0.0',
  description: 'Asks a neighbour.',
  operations: {
    askWith: { ...ofThings, method: 'POST', body: Type.Object({ text: Type.String() }) },
    ask: { ...ofThings, method: 'GET' }
  }
})

async function open() {
  const stack = new AsyncDisposableStack()
  const neighbour = stack.use(await startNeighbour())
  const client = stack.use(
    openHttpClient({ url: neighbour.url, name: 'neighbour', timeoutMs: 60_000, tryTimeoutMs: 60_000, tries: 1 })
  )
  const ends: string[] = []
  const asking = read(async () => {
    const reply = await client.call('GET', '/asked').catch((error: CallFailed) => error.reason)
    ends.push(typeof reply === 'string' ? reply : String(reply.status))
    return {}
  })
  const baseUrl = 'http://localhost:8080'
  const options = {
    api,
    edge: { baseUrl, handlers: { ask: asking, askWith: asking } },
    authenticator: { authenticate: () => ({ subject: 'u', clientId: 'u', issuer: 'test', scopes: new Set(['orders:read']) }) },
    log: openLog({ LOG_LEVEL: 'error', LOG_FORMAT: 'json' }),
    baseUrl,
    host: '127.0.0.1',
    port: 0,
    inFlightMax: 10,
    shutdownTimeoutMs: 10_000
  }
  const { url } = stack.use(await serve(options as unknown as HttpOptions))
  const ask = async (method: Method, headers: Record<string, string>, signal?: AbortSignal) =>
    method === 'GET'
      ? (await fetch(`${url}/things`, { headers, ...(signal ? { signal } : {}) })).status
      : post(url, headers, signal)
  return { neighbour, ends, ask, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

type Method = 'GET' | 'POST'

/** Sends the body only when the server has seen the headers, so that it comes from the connection alone. */
function post(url: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const type = { 'content-type': 'application/json', expect: '100-continue', 'transfer-encoding': 'chunked' }
  const asking = request(`${url}/things`, { method: 'POST', headers: { ...headers, ...type }, ...(signal ? { signal } : {}) })
  asking.on('continue', () => asking.end(JSON.stringify({ text: 'x'.repeat(200_000) })))
  asking.on('response', response => resolve(response.resume().statusCode))
  asking.on('error', reject)
  asking.flushHeaders()
  return promise
}

const trace = 'a'.repeat(32)
const traceparent = `00-${trace}-${'b'.repeat(16)}-01`

for (const method of ['GET', 'POST'] as const) {
  test(`what a ${method} calls is of its trace, although nobody exports spans`, async () => {
    await using at = await open()
    assert.equal(await at.ask(method, { traceparent }), 200)
    assert.match(at.neighbour.asked[0]!.headers.traceparent as string, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
  })

  test(`what a ${method} calls ends when its caller waits no longer: so many milliseconds, or ten seconds`, async () => {
    await using at = await open()
    at.neighbour.answer(undefined)
    assert.equal(await at.ask(method, { 'x-request-timeout': '700' }), 200)
    assert.deepEqual(at.ends, ['timeout'])
    assert.ok(Number(at.neighbour.asked[0]!.headers['x-request-timeout']) <= 700)
    at.neighbour.answer(200)
    for (const patience of ['99999999', '1e9', '-1', 'forever']) await at.ask(method, { 'x-request-timeout': patience })
    for (const { headers } of at.neighbour.asked.slice(1)) {
      const left = Number(headers['x-request-timeout'])
      assert.ok(left > 1000 && left <= 10_000, `${left}`)
    }
  })

  test(`what a ${method} calls ends when its caller goes away`, async () => {
    await using at = await open()
    at.neighbour.answer(undefined)
    const gone = new AbortController()
    const asking = at.ask(method, {}, gone.signal).catch(() => 'gone')
    await eventually(
      async () => at.neighbour.waiting,
      waiting => waiting === 1
    )
    gone.abort()
    assert.equal(await asking, 'gone')
    await eventually(
      async () => at.ends,
      ends => ends[0] === 'cancelled'
    )
    await eventually(
      async () => at.neighbour.waiting,
      waiting => waiting === 0
    )
  })
}
