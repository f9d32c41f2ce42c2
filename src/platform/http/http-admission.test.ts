/** Who a gateway lets through, how often, and what it tells services and browsers. Real HTTP, a service that answers what it was asked. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { json, text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { apis } from '#contracts/catalogue.ts'
import { mergedOpenApi } from '#contracts/openapi.ts'
import { Problem } from '#contracts/problems.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Authenticator } from '../identity/actor.ts'
import { trustedProxies } from '../identity/trusted-proxies.ts'
import { openLog } from '../log.ts'
import type { Admission } from './http-admission.ts'
import { serveGateway } from './http-gateway.ts'
import type { HttpServer } from './http-server.ts'

/** Knows `Bearer good CLIENT`; says of `Bearer away` that nobody can tell. */
const authenticator: Authenticator = {
  async authenticate({ authorization, 'x-api-key': key }) {
    const [, word, client = 'one'] = authorization?.split(' ') ?? ['', key === 'right' ? 'good' : '']
    if (word === 'away') throw new Problem('unavailable', "The issuer's keys cannot be fetched")
    if (word !== 'good') throw new Problem('unauthenticated')
    return { subject: client, clientId: client, issuer: 'test', scopes: new Set() }
  }
}

const log = openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })
const seen: IncomingMessage[] = []
/** Requests for what is slow, until somebody answers them. */
const held: ServerResponse[] = []
const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
let upstream: string
before(async () => {
  const server = createServer((asked, reply) => {
    seen.push(asked)
    if (asked.url === '/v1/goods/slow') return void held.push(reply)
    reply.writeHead(asked.url?.startsWith('/oauth') && asked.headers['x-guess'] ? 401 : 200, {
      'content-type': 'application/json',
      'access-control-allow-origin': '*',
      vary: 'Accept',
      server: 'theirs/1.0'
    })
    reply.end(JSON.stringify(asked.headers))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => server.close() && server.closeAllConnections())
  upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})

type More = Partial<Admission['quotas']> & {
  inFlightClientMax?: number
  trusted?: string
  baseUrl?: string
  corsOrigins?: string[]
}

async function open(more: More = {}): Promise<HttpServer> {
  const { trusted, baseUrl = 'http://localhost:8080', corsOrigins = [], inFlightClientMax = 100, ...quotas } = more
  const isOpen = (_method: string, path: string) => path === '/v1/goods/open'
  const gateway = await serveGateway({
    upstreams: [{ service: 'shop', url: upstream, resources: ['goods'], beside: ['oauth'] }],
    document: () => ({}),
    admission: { authenticator, isOpen, quotas: { client: 0, address: 0, failures: 0, ...quotas }, inFlightClientMax },
    ...{ log, baseUrl, corsOrigins, host: '127.0.0.1', port: 0, inFlightMax: 100, shutdownTimeoutMs: 5000 },
    trustsProxy: trustedProxies(trusted)
  })
  stack.use(gateway)
  return gateway
}

const agent = new Agent({ keepAlive: true })
after(() => agent.destroy())

async function ask(url: string, path: string, headers: Record<string, string> = {}, method = 'GET') {
  const sent = request(url + path, { method, headers, agent }).end()
  const [reply] = (await once(sent, 'response')) as [IncomingMessage]
  const isJson = reply.headers['content-type']?.includes('json')
  const body = isJson ? await json(reply) : await text(reply)
  // biome-ignore lint/suspicious/noExplicitAny: a test says by its assertions what it expects.
  return { status: reply.statusCode, headers: reply.headers, body: body as any }
}

const good = { authorization: 'Bearer good' }
const bad = { authorization: 'Bearer bad' }

describe('at the gateway', () => {
  test('only good credentials reach a service; the answers to others are those of services', async () => {
    const { url } = await open()
    seen.length = 0
    const refused = [
      {},
      bad,
      { authorization: 'Basic eDp5' },
      { authorization: 'Bearer' },
      { 'x-api-key': 'wrong' },
      { 'x-user-id': 'admin' }
    ]
    for (const headers of refused) {
      const { status, headers: answered, body } = await ask(url, '/v1/goods', headers as Record<string, string>)
      assert.deepEqual([status, body.code], [401, 'unauthenticated'])
      assert.match(String(answered['www-authenticate']), /^Bearer /)
    }
    const { status, headers } = await ask(url, '/v1/goods', { authorization: 'Bearer away' })
    assert.deepEqual([status, headers['retry-after']], [503, '1'])
    assert.equal(seen.length, 0)
    assert.equal((await ask(url, '/v1/goods', good)).status, 200)
    assert.equal((await ask(url, '/v1/goods/1', { 'x-api-key': 'right' }, 'DELETE')).status, 200)
    assert.equal(seen.length, 2)
  })

  test('what is for anybody passes without credentials', async () => {
    const { url } = await open()
    for (const path of ['/oauth/token', '/v1/goods/open', '/openapi.json', '/health/live', '/metrics']) {
      assert.equal((await ask(url, path)).status, 200, path)
    }
    assert.equal((await ask(url, '/v1/goods', {}, 'OPTIONS')).status, 200)
    for (const path of ['/v1/goods/open/1', '/v1/%67oods', '/%76%31/goods', '/v1/goods/%6fpen']) {
      assert.notEqual((await ask(url, path)).status, 200, path)
    }
  })

  test('headers that say who asks are not passed on, whatever their spelling, and where from is said by us alone', async () => {
    const { url } = await open()
    const lies = [
      'X-User-Id X-User X-USER-EMAIL x-user-roles X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Access-Token',
      'X-Auth-Request-User X-Auth-Token X-Authenticated-Userid X-Auth X-Tenant-Id X-Consumer-Username X-Credential-Identifier X-Client-Id',
      'X-Client-Cert X-Remote-User Remote-User X-Scopes X-Roles X-Groups X-JWT-Claims X-Goog-Authenticated-User-Email X-Amzn-Oidc-Data',
      'X-MS-Client-Principal X-SSL-Client-Verify SSL-Client-Cert X-Forwarded-Client-Cert Cf-Access-Jwt-Assertion X_User_Id X-Original-URL',
      'X-Rewrite-URL X-Real-IP True-Client-IP Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Subject X-Identity X-Permissions'
    ].flatMap(line => line.split(' '))
    const theirs = { 'x-own': 'kept', 'x-request-id': 'kept', 'x-client-version': 'kept', accept: 'kept' }
    const { body } = await ask(url, '/v1/goods', { ...good, ...theirs, ...Object.fromEntries(lies.map(name => [name, 'admin'])) })
    for (const name of lies.map(each => each.toLowerCase())) {
      assert.equal(body[name], name === 'x-forwarded-for' ? '127.0.0.1' : undefined, name)
    }
    for (const name of Object.keys(theirs)) assert.equal(body[name], 'kept', name)
    assert.equal(body.authorization, 'Bearer good')
  })
})

describe('the quota of a client', () => {
  test('is held exactly, is told with every answer, and is nobody else’s', async () => {
    const { url } = await open({ client: 50 })
    const answers = await Promise.all(Array.from({ length: 70 }, () => ask(url, '/v1/goods', good)))
    assert.equal(answers.filter(({ status }) => status === 200).length, 50)
    const left = answers.map(({ headers }) => Number(/^"client";r=(\d+);t=(?:[1-5]?\d|60)$/.exec(String(headers.ratelimit))?.[1]))
    assert.deepEqual(
      left.sort((a, b) => b - a),
      [...Array.from({ length: 50 }, (_, used) => 49 - used), ...Array(20).fill(0)]
    )
    const { status, headers, body } = await ask(url, '/v1/goods', good)
    assert.deepEqual([status, body.code, body['violated-policies']], [429, 'quota-exceeded', ['client']])
    assert.equal(body.type, 'https://iana.org/assignments/http-problem-types#quota-exceeded')
    assert.match(headers['content-type']!, /^application\/problem\+json/)
    assert.equal(headers['ratelimit-policy'], '"client";q=50;w=60')
    const reset = Number(/t=(\d+)/.exec(String(headers.ratelimit))![1])
    assert.match(String(headers['retry-after']), /^[1-9]\d*$/)
    assert.ok(Number(headers['retry-after']) >= reset)
    assert.equal((await ask(url, '/v1/goods', { authorization: 'Bearer good two' })).status, 200)
    assert.equal((await ask(url, '/health/live', good)).status, 200)
  })
})

test('a client has so many places in flight and no more, and has each back when a request is answered or given up', async () => {
  const { url } = await open({ inFlightClientMax: 3 })
  const slow = Array.from({ length: 2 }, () => ask(url, '/v1/goods/slow', good))
  const leaving = request(`${url}/v1/goods/slow`, { headers: good, agent })
    .end()
    .on('error', () => {})
  await eventually(
    async () => held.length,
    count => count === 3
  )
  const beyond = await ask(url, '/v1/goods', good)
  assert.deepEqual([beyond.status, beyond.body.code], [429, 'too-many-requests'])
  assert.match(String(beyond.headers['retry-after']), /^[1-3]$/)
  assert.equal((await ask(url, '/v1/goods', { authorization: 'Bearer good two' })).status, 200)
  assert.equal((await ask(url, '/health/live', good)).status, 200)
  leaving.destroy()
  const statusNow = async () => (await ask(url, '/v1/goods', good)).status
  await eventually(statusNow, status => status === 200)
  for (const reply of held.splice(0)) reply.end()
  await Promise.all(slow)
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(Array.from({ length: 3 }, () => ask(url, '/v1/goods', good)))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  }
})

describe('the quota of an address', () => {
  test('counts who has no credentials, and never who is authenticated or asks whether we live', async () => {
    const { url } = await open({ address: 3 })
    const statuses = []
    for (const path of ['/oauth/token', '/v1/goods', '/nowhere', '/oauth/token', '/v1/goods', '/nowhere', '/openapi.json'])
      statuses.push((await ask(url, path)).status)
    assert.deepEqual(statuses, [200, 401, 404, 429, 429, 429, 429])
    for (let each = 0; each < 5; each++) {
      assert.equal((await ask(url, '/v1/goods', good)).status, 200)
      assert.equal((await ask(url, '/health/ready')).headers.ratelimit, undefined)
    }
  })

  test('is not renewed by what anybody can write: 1,000 spoofed addresses are one', async () => {
    const { url } = await open({ address: 10 })
    const spoofed = (each: number) => {
      const address = `10.${each % 250}.${Math.floor(each / 250)}.1`
      const claims = `X-Forwarded-For: ${address}\r\nX-Real-IP: ${address}\r\nForwarded: for=${address}\r\n`
      return `GET /oauth/token HTTP/1.1\r\nHost: x\r\n${claims}${each === 999 ? 'Connection: close\r\n' : ''}\r\n`
    }
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(Array.from({ length: 1000 }, (_, each) => spoofed(each)).join(''))
    const replies = (await text(socket)).match(/HTTP\/1\.1 \d+/g) ?? []
    const through = replies.filter(reply => reply.endsWith('200')).length
    assert.equal(replies.length, 1000)
    assert.equal(through, 10)
  })

  test('is that of whom a trusted proxy names, of the last one that is no proxy itself, and of the proxy where it names nobody', async () => {
    const { url } = await open({ address: 1, trusted: '127.0.0.0/8, 10.0.0.0/8,::1' })
    const from = async (forwarded: string) => (await ask(url, '/oauth/token', { 'x-forwarded-for': forwarded })).status
    assert.deepEqual([await from('203.0.113.1'), await from('203.0.113.1'), await from('203.0.113.2')], [200, 429, 200])
    assert.deepEqual(
      [await from('1.2.3.4, 203.0.113.2'), await from('203.0.113.3, 10.0.0.9'), await from('203.0.113.3')],
      [429, 200, 429]
    )
    assert.deepEqual(
      [await from('2001:db8:1:2::1'), await from('2001:db8:1:2:ffff::9'), await from('2001:db8:1:3::1')],
      [200, 429, 200]
    )
    assert.deepEqual([await from('nonsense'), await from('more of it')], [200, 429])
    const told = await ask(url, '/v1/goods', { ...good, 'x-forwarded-for': '9.9.9.9, 203.0.113.7' })
    assert.equal(told.body['x-forwarded-for'], '203.0.113.7')
  })
})

describe('wrong credentials', () => {
  test('are answered 429 after as many as there may be in a minute; right ones still let in', async () => {
    const { url } = await open({ failures: 20 })
    const statuses: unknown[] = []
    for (let each = 0; each < 25; each++)
      statuses.push((await ask(url, '/v1/goods', each % 2 ? bad : { 'x-api-key': `guess${each}` })).status)
    assert.deepEqual(statuses, [...Array(20).fill(401), ...Array(5).fill(429)])
    const { headers, body } = await ask(url, '/v1/goods', bad)
    assert.deepEqual([headers.ratelimit?.slice(0, 14), body['violated-policies']], ['"failures";r=0', ['failures']])
    assert.equal((await ask(url, '/v1/goods', good)).status, 200)
    assert.equal((await ask(url, '/v1/goods')).status, 401)
  })

  test('at the issuer count as well, and there nobody goes on guessing', async () => {
    const { url } = await open({ failures: 5 })
    seen.length = 0
    const guess = async () => (await ask(url, '/oauth/token', { 'x-guess': 'secret' }, 'POST')).status
    const statuses = []
    for (let each = 0; each < 8; each++) statuses.push(await guess())
    assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429])
    assert.equal(seen.length, 5)
  })
})

describe('pages of other origins', () => {
  const origin = 'https://shop.example'
  const asking = { 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'authorization,if-match' }
  const refused = [
    'https://shop.example.evil.com',
    'https://evilshop.example',
    'https://evil.com/https://shop.example',
    'https://sub.shop.example',
    'http://shop.example',
    'https://shop.example:444',
    'https://shop.example/',
    'https://SHOP.example',
    'https://shop.example@evil.com',
    'null',
    '*',
    'https://shopxexample'
  ]

  test('may ask and read the answers and the refusals when they are in the list; a preflight needs no token and is kept ten minutes', async () => {
    const { url } = await open({ corsOrigins: [origin, 'https://admin.example'], client: 1 })
    const preflight = await ask(url, '/v1/goods', { origin, ...asking }, 'OPTIONS')
    assert.equal(preflight.status, 204)
    assert.partialDeepStrictEqual(preflight.headers, {
      'access-control-allow-origin': origin,
      'access-control-max-age': '600',
      vary: 'Origin'
    })
    assert.match(preflight.headers['access-control-allow-methods']!, /\bPATCH\b/)
    assert.match(preflight.headers['access-control-allow-headers']!, /\bAuthorization\b.*\bIf-Match\b/)
    for (const expected of [200, 429, 401]) {
      const { status, headers } = await ask(url, '/v1/goods', { origin, ...(expected === 401 ? bad : good) })
      assert.deepEqual([status, headers['access-control-allow-origin']], [expected, origin])
      assert.match(headers.vary!, /\bOrigin$/)
      const exposed = headers['access-control-expose-headers']!.split(', ')
      const needed =
        'ETag Location RateLimit RateLimit-Policy Retry-After Deprecation Sunset X-Request-Id Idempotency-Replayed'.split(' ')
      for (const name of needed) assert.ok(exposed.includes(name), name)
    }
  })

  test('may use every operation there is: each method, each header that is taken, and each that is answered', async () => {
    const { url } = await open({ corsOrigins: [origin] })
    const [asked, answered] = [new Set(['Authorization', 'X-API-Key', 'Content-Type', 'Accept']), new Set<string>()]
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      const { in: where, name, headers } = value as { in?: unknown; name?: unknown; headers?: object }
      if (where === 'header') asked.add(String(name))
      for (const each of Object.keys(headers ?? {})) answered.add(each)
      for (const member of Object.values(value)) walk(member)
    }
    // Not the schemas: they have names of their own.
    const { paths, components } = mergedOpenApi(apis) as { paths: object; components: { parameters: object; responses: object } }
    walk([paths, components.parameters, components.responses])
    const preflight = (await ask(url, '/v1/goods', { origin, ...asking }, 'OPTIONS')).headers
    const unnamed = (needed: ReadonlySet<string>, header: string | undefined) =>
      [...needed].filter(each => !header!.split(', ').includes(each))
    const methods = new Set<string>(apis.flatMap(api => Object.values(api.operations)).map(({ method }) => method))
    assert.deepEqual(unnamed(methods, preflight['access-control-allow-methods']), [])
    assert.deepEqual(unnamed(asked, preflight['access-control-allow-headers']), [])
    const { headers } = await ask(url, '/v1/goods', { origin, ...good })
    assert.deepEqual(unnamed(answered, headers['access-control-expose-headers']), [])
    assert.ok(methods.size >= 5 && asked.has('If-Match') && answered.has('Location') && answered.has('Event-Position'))
  })

  test('are told nothing when they are not, whatever they look like; and never that they may send cookies', async () => {
    const { url } = await open({ corsOrigins: [origin] })
    for (const each of refused) {
      for (const [method, more] of [
        ['GET', {}],
        ['OPTIONS', asking]
      ] as const) {
        const { headers } = await ask(url, '/v1/goods', { origin: each, ...good, ...more }, method)
        assert.deepEqual(
          Object.keys(headers).filter(name => name.startsWith('access-control-')),
          [],
          each
        )
        assert.equal(headers.vary, 'Accept, Origin', 'a cache may not give it to another origin')
      }
    }
    const allowed = await ask(url, '/v1/goods', { origin, ...good })
    assert.equal(allowed.headers['access-control-allow-credentials'], undefined)
    const none = await ask((await open()).url, '/v1/goods', { origin, ...good })
    assert.equal(none.headers['access-control-allow-origin'], undefined)
  })
})

test('every reply is safe for a browser, and says nothing of what runs behind', async () => {
  const { url } = await open({ baseUrl: 'https://shop.example' })
  const plain = await open()
  for (const path of ['/v1/goods', '/health/live', '/nowhere', '/openapi.json', `/v1/goods?${'a'.repeat(9000)}`, '/v1/goods/%zz']) {
    const { headers } = await ask(url, path, good)
    assert.partialDeepStrictEqual(headers, {
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'strict-transport-security': 'max-age=31536000'
    })
    assert.ok(headers['cache-control'], path)
    assert.deepEqual([headers.server, headers['x-powered-by']], [undefined, undefined])
    assert.equal((await ask(plain.url, path, good)).headers['strict-transport-security'], undefined)
  }
})
