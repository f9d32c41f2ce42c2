import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { everybody } from '../../../test/support/admission.ts'
import { readConfig } from '../config.ts'
import { openLog } from '../log.ts'
import type { Upstream } from './http-forward.ts'
import { serveGateway } from './http-gateway.ts'
import type { HttpServer } from './http-server.ts'

const log = openLog(readConfig({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' }))
const shop: Omit<Upstream, 'url'> = { service: 'shop', resources: ['goods', 'prices'], beside: ['oauth', '.well-known'] }

function open(upstreams: readonly Upstream[], more: { timeoutMs?: number; inFlightMax?: number } = {}): Promise<HttpServer> {
  const at = { host: '127.0.0.1', port: 0, baseUrl: 'http://localhost:8080', admission: everybody, corsOrigins: [] }
  return serveGateway({ upstreams, document: () => ({}), log, ...at, inFlightMax: 100, shutdownTimeoutMs: 5000, ...more })
}

async function listen(listener: RequestListener): Promise<AsyncDisposable & { url: string; server: Server }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    }
  }
}

/** Sends exactly this path, these headers and this body, as fetch would not. */
async function send(url: string, options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {}) {
  const { host, port } = /^http:..(?<host>[^:]+):(?<port>\d+)/.exec(url)!.groups!
  const path = url.slice(`http://${host}:${port}`.length)
  const sent = request({ host, port, path, method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false })
  sent.end(options.body)
  const [reply] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: reply.statusCode, headers: reply.headers, body: await text(reply) }
}

describe('the gateway', () => {
  let upstream: Awaited<ReturnType<typeof listen>>
  let gateway: HttpServer
  before(async () => {
    upstream = await listen(async (request, reply) => {
      const { method, url, headers } = request
      const body = await text(request)
      reply.writeHead(method === 'POST' ? 201 : 200, {
        'content-type': 'application/json',
        etag: '"7"',
        location: '/api/v2/goods/1'
      })
      reply.end(JSON.stringify({ method, url, headers, length: body.length, body: body.slice(0, 100) }))
    })
    gateway = await open([{ ...shop, url: `${upstream.url}/api/v2` }])
  })
  after(async () => {
    await gateway[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })
  const echo = async (path: string, options: Parameters<typeof send>[1] = {}) => {
    const reply = await send(gateway.url + path, options)
    return { ...reply, seen: JSON.parse(reply.body) }
  }
  const problem = async (path: string, options: Parameters<typeof send>[1] = {}) => {
    const { status, headers, body } = await send(gateway.url + path, options)
    assert.match(headers['content-type'] ?? '', /^application\/problem\+json/)
    const { code, status: inBody } = JSON.parse(body)
    assert.equal(inBody, status)
    return `${status} ${code}`
  }

  test('sends a request on as it came, below the address of the service', async () => {
    const headers = {
      authorization: 'Bearer x',
      'if-match': '"6"',
      'idempotency-key': 'k',
      'content-type': 'application/json',
      'x-own': 'y'
    }
    const { status, seen } = await echo('/v1/goods/1?a=1&a=2&b=%20%2B+?&c', { method: 'POST', headers, body: '{"a":1}' })
    assert.deepEqual([status, seen.method, seen.body], [201, 'POST', '{"a":1}'])
    assert.equal(seen.url, '/api/v2/goods/1?a=1&a=2&b=%20%2B+?&c')
    for (const [name, value] of Object.entries(headers)) assert.equal(seen.headers[name], value)
    const added = Object.keys(seen.headers).filter(name => !(name in headers))
    assert.deepEqual(added.sort(), ['connection', 'content-length', 'host', 'traceparent', 'x-forwarded-for', 'x-request-id'])
  })

  test('gives the reply back as it came, with addresses as the client knows them', async () => {
    const { headers } = await echo('/v1/prices')
    assert.deepEqual(
      [headers.etag, headers['content-type'], headers['x-content-type-options']],
      ['"7"', 'application/json', 'nosniff']
    )
    const { headers: created } = await echo('/v1/goods', { method: 'POST' })
    assert.equal(created.location, '/v1/goods/1')
  })

  test('paths beside the API are at the root of the service', async () => {
    assert.equal((await echo('/oauth/token', { method: 'POST' })).seen.url, '/api/oauth/token')
    assert.equal((await echo('/.well-known/jwks.json')).seen.url, '/api/.well-known/jwks.json')
  })

  test('a request has one id everywhere, and continues the trace that it came with', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const { seen, headers } = await echo('/v1/goods', { headers: { 'x-request-id': 'mine-1', traceparent } })
    assert.deepEqual([seen.headers['x-request-id'], headers['x-request-id']], ['mine-1', 'mine-1'])
    assert.equal(seen.headers.traceparent.slice(0, 35), traceparent.slice(0, 35))
    const own = await echo('/v1/goods', { headers: { 'x-request-id': 'not one\tof ours' } })
    assert.equal(own.seen.headers['x-request-id'], own.headers['x-request-id'])
    assert.match(own.seen.headers.traceparent, /^00-[0-9a-f]{32}-/)
  })

  test('bodies of any size and type go through as a stream', async () => {
    const body = Buffer.alloc(5_000_000, 'x')
    const long = await echo('/v1/goods', { method: 'POST', headers: { 'content-type': 'text/csv', expect: '100-continue' }, body })
    assert.deepEqual([long.status, long.seen.length, long.seen.headers['content-type']], [201, 5_000_000, 'text/csv'])
    const chunked = await echo('/v1/goods', { method: 'PATCH', headers: { 'transfer-encoding': 'chunked' }, body: 'abc' })
    assert.equal(chunked.seen.body, 'abc')
    const untyped = await echo('/v1/goods', { method: 'PUT', headers: { 'content-length': '3' }, body: 'abc' })
    assert.deepEqual([untyped.seen.body, untyped.seen.headers['content-type']], ['abc', undefined])
    const deleted = await echo('/v1/goods/1', { method: 'DELETE', headers: { 'content-length': '3' }, body: 'abc' })
    assert.deepEqual([deleted.seen.method, deleted.seen.body], ['DELETE', 'abc'])
  })

  test('a GET with a body, and headers of one connection only, do no harm', async () => {
    const { status, seen } = await echo('/v1/goods', {
      headers: {
        'content-length': '2',
        'content-type': 'application/json',
        'keep-alive': 'timeout=5',
        te: 'trailers',
        upgrade: 'h2c'
      },
      body: '{}'
    })
    assert.deepEqual([status, seen.length], [200, 0])
    for (const name of ['content-length', 'keep-alive', 'te', 'upgrade']) assert.equal(seen.headers[name], undefined)
    const head = await send(`${gateway.url}/v1/goods`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.etag, head.body], [200, '"7"', ''])
  })

  test('what no service serves is answered here, as a problem', async () => {
    assert.equal(await problem('/'), '404 not-found')
    assert.equal(await problem('/v1'), '404 not-found')
    assert.equal(await problem('/v1/goodsandmore'), '404 not-found')
    assert.equal(
      await problem('/v2/goods', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' }),
      '404 not-found'
    )
    assert.equal(await problem('/v1/goods', { method: 'PROPFIND' }), '501 not-implemented')
    assert.equal(await problem('/v1/goods/%zz'), '404 not-found')
    for (const path of ['/v1/goods/%2e%2e/prices', '/v1/goods/..%2f..%2fadmin', '/v1/goods/a\\..\\..\\b']) {
      assert.equal(await problem(path), '404 not-found', path)
    }
    assert.equal(await problem('/v1/goods', { headers: { 'x-long': 'x'.repeat(20_000) } }), '431 headers-too-large')
  })

  test('what is not even HTTP is answered with a problem', async () => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'))
    const reply = await text(socket)
    assert.match(reply, /^HTTP\/1\.1 400 /)
    assert.match(reply, /"code":"malformed-http"/)
  })
})

test('a service that is away, slow or breaks off is answered 503 with Retry-After', async () => {
  await using slow = await listen(() => {})
  await using rude = await listen(request => request.socket.destroy())
  const gone = await listen(() => {})
  await gone[Symbol.asyncDispose]()
  await using gateway = await open(
    [
      { service: 'slow', url: `${slow.url}/v1`, resources: ['slow'], beside: [] },
      { service: 'rude', url: `${rude.url}/v1`, resources: ['rude'], beside: [] },
      { service: 'gone', url: `${gone.url}/v1`, resources: ['gone'], beside: [] }
    ],
    { timeoutMs: 50 }
  )
  for (const name of ['slow', 'rude', 'gone']) {
    for (const method of ['GET', 'POST']) {
      const headers = method === 'POST' ? { 'content-type': 'application/json' } : {}
      const {
        status,
        headers: answered,
        body
      } = await send(`${gateway.url}/v1/${name}`, { method, headers, body: method === 'POST' ? '{}' : '' })
      assert.deepEqual([status, answered['retry-after']], [503, '1'], name)
      assert.deepEqual([JSON.parse(body).code, JSON.parse(body).detail], ['unavailable', `The ${name} service cannot answer now`])
    }
  }
})

test('what a service refuses for now is refused once, as it said it', async () => {
  let asked = 0
  await using upstream = await listen((_request, reply) => {
    asked++
    reply.writeHead(503, { 'retry-after': '7' }).end('later')
  })
  await using gateway = await open([{ ...shop, url: `${upstream.url}/v1` }])
  const { status, headers, body } = await send(`${gateway.url}/v1/goods`)
  assert.deepEqual([status, headers['retry-after'], body, asked], [503, '7', 'later', 1])
})

test('a reply that breaks off half-way is not passed off as a whole one', async () => {
  await using upstream = await listen((_request, reply) => {
    reply.writeHead(200, { 'content-type': 'text/plain' })
    reply.write('half', () => reply.destroy())
  })
  await using gateway = await open([{ ...shop, url: `${upstream.url}/v1` }])
  await assert.rejects(send(`${gateway.url}/v1/goods`))
})

test('it is ready when every service is, and says which is not', async () => {
  let ready = true
  await using first = await listen((request, reply) => reply.writeHead(request.url === '/health/ready' ? 200 : 404).end())
  await using second = await listen((request, reply) =>
    reply.writeHead(ready && request.url === '/api/health/ready' ? 200 : 503).end()
  )
  await using gateway = await open([
    { service: 'first', url: `${first.url}/v1`, resources: ['first'], beside: [] },
    { service: 'second', url: `${second.url}/api/v3`, resources: ['second'], beside: [] }
  ])
  const health = async (which: string) => {
    const { status, headers, body } = await send(`${gateway.url}/health/${which}`)
    return { status, retryAfter: headers['retry-after'], ...JSON.parse(body) }
  }
  assert.deepEqual(await health('ready'), {
    status: 'ok',
    retryAfter: undefined,
    services: { first: 'ok', second: 'ok' }
  })
  ready = false
  const { reason, services, retryAfter } = await health('ready')
  assert.deepEqual([reason, services, retryAfter], ['away: second', { first: 'ok', second: 'unavailable' }, '1'])
  assert.equal((await health('live')).status, 'ok')
})

test('a body that is too large is refused here; a service that answers before it has read a body is heard', async () => {
  await using upstream = await listen((_request, reply) => reply.writeHead(401).end('early'))
  await using gateway = await open([{ ...shop, url: `${upstream.url}/v1` }])
  const body = Buffer.alloc(3_000_000, ' ')
  const post = (headers: Record<string, string>) => send(`${gateway.url}/v1/goods`, { method: 'POST', headers, body })
  const json = { 'content-type': 'application/json' }
  for (const headers of [json, { ...json, 'transfer-encoding': 'chunked' }]) {
    const { status, body } = await post(headers)
    assert.deepEqual([status, JSON.parse(body).code], [413, 'payload-too-large'])
  }
  const { status, body: early } = await post({ 'content-type': 'text/csv' })
  assert.deepEqual([status, early], [401, 'early'])
  const empty = await send(`${gateway.url}/v1/goods`, { method: 'POST', headers: { ...json, 'content-length': '0' } })
  assert.equal(empty.status, 401)
})

test('clients that go away leave no request behind', { timeout: 10_000 }, async () => {
  const waiting: ServerResponse[] = []
  await using upstream = await listen((_request, reply) => waiting.push(reply))
  await using gateway = await open([{ ...shop, url: `${upstream.url}/v1` }], { inFlightMax: 2 })
  for (let round = 1; round <= 4; round++) {
    const leaving = request(`${gateway.url}/v1/goods`, { agent: false }).on('error', () => {})
    leaving.end()
    while (waiting.length < round) await new Promise(setImmediate)
    leaving.destroy()
    if (round === 4) waiting[0]!.end('too late')
    while ((await send(`${gateway.url}/health/live`)).status === 503) await new Promise(setImmediate)
  }
})

test('ending it lets requests in flight end, and refuses more than it may hold', async () => {
  const waiting: (() => void)[] = []
  await using upstream = await listen((_request, reply) => waiting.push(() => reply.end('done')))
  const gateway = await open([{ ...shop, url: `${upstream.url}/v1` }], { inFlightMax: 1 })
  const first = send(`${gateway.url}/v1/goods`)
  while (waiting.length === 0) await new Promise(setImmediate)
  const { status, headers } = await send(`${gateway.url}/v1/goods`)
  assert.deepEqual([status, headers['retry-after']], [503, '1'])
  const ended = gateway[Symbol.asyncDispose]()
  waiting[0]!()
  assert.deepEqual([(await first).status, (await first).body], [200, 'done'])
  await ended
  await assert.rejects(send(`${gateway.url}/health/live`), { code: 'ECONNREFUSED' })
})
