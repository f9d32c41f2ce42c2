/** An API of which operations are on their way out, over real HTTP, also through the gateway. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { after, before, beforeEach, describe, mock, test } from 'node:test'
import { pino } from 'pino'
import { Type } from 'typebox'
import { type Deprecation, defineApi } from '#contracts/define.ts'
import { lifecycleFaults } from '#contracts/lifecycle.ts'
import { openApi } from '#contracts/openapi.ts'
import { Problem } from '#contracts/problems.ts'
import { everybody } from '../../../test/support/admission.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import { registry } from '../telemetry.ts'
import { read } from './handlers.ts'
import { serve } from './http.ts'
import type { Edge } from './http-answers.ts'
import { serveGateway } from './http-gateway.ts'
import type { HttpServer } from './http-server.ts'

const thing = (path: string, deprecated?: Deprecation) => ({
  method: 'GET' as const,
  path,
  tag: 'Things',
  summary: 'Get it',
  scope: 'catalog:read' as const,
  params: Type.Object({ thingId: Type.String() }),
  reply: { status: 200 as const, body: Type.Object({ thingId: Type.String() }), description: 'It' },
  ...(deprecated ? { deprecated } : {})
})
const make = { method: 'POST', path: '/v1/things', tag: 'Things', summary: 'Make one', scope: 'catalog:write' } as const

const api = defineApi({
  service: 'lifecycle-test',
  title: 'Things',
  version: '1.0.0',
  description: 'Things end.',
  operations: {
    getThing: thing('/v2/things/{thingId}'),
    getOldThing: thing('/v1/things/{thingId}', { since: '2026-01-31', sunset: '2026-06-30', successor: 'getThing' }),
    makeThing: { ...make, reply: { status: 204, description: 'Made' }, deprecated: { since: '2026-03-01' } }
  }
})
type Asked = { params: { thingId: string } }

const lines: Record<string, unknown>[] = []
const sink = new PassThrough()
let buffered = ''
sink.on('data', chunk => {
  buffered += chunk
  for (let at = buffered.indexOf('\n'); at >= 0; at = buffered.indexOf('\n')) {
    lines.push(JSON.parse(buffered.slice(0, at)))
    buffered = buffered.slice(at + 1)
  }
})
const log = pino({ level: 'warn' }, sink) as unknown as Edge['log']

let service: HttpServer
let gateway: HttpServer
const get = read(async (_reading, { params }: Asked) => params)
const handlers = { getThing: get, getOldThing: get, makeThing: read(async () => undefined) }

async function open(served: Parameters<typeof serve>[0]['api']): Promise<HttpServer> {
  const edge = { baseUrl: 'http://localhost:8080', handlers, log } as unknown as Edge
  const authenticator = {
    authenticate({ authorization = '' }) {
      const [, clientId] = authorization.split(' ')
      if (!clientId) throw new Problem('unauthenticated')
      return { subject: clientId, clientId, issuer: 'test', scopes: new Set(['catalog:read', 'catalog:write']) }
    }
  }
  const at = { host: '127.0.0.1', port: 0, shutdownTimeoutMs: 1000, inFlightMax: 100, baseUrl: 'http://localhost:8080' }
  return serve({ api: served, edge, authenticator, log, ...at })
}

before(async () => {
  service = await open(api)
  gateway = await serveGateway({
    upstreams: [{ service: 'things', url: `${service.url}/v1`, resources: ['things'], beside: [] }],
    document: () => ({}),
    log,
    baseUrl: 'http://localhost:8080',
    admission: everybody,
    corsOrigins: [],
    host: '127.0.0.1',
    port: 0,
    inFlightMax: 100,
    shutdownTimeoutMs: 1000
  })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await service[Symbol.asyncDispose]()
})

const FIRST = '2026-05-01T00:00:00Z'
let now = Date.parse(FIRST)
beforeEach(() => {
  now = Date.parse(FIRST)
})
mock.method(Date, 'now', () => now)

async function ask(path: string, { method = 'GET', client = 'shop', from = service } = {}) {
  const response = await fetch(from.url + path, { method, headers: client ? { authorization: `Bearer ${client}` } : {} })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}
const told = ({ headers }: { headers: Headers }) => ['deprecation', 'sunset', 'link'].map(name => headers.get(name))
const page = (rel: string) => `<http://localhost:8080/docs>; rel="${rel}"; type="text/html"`
const ofOldThing = (id: string) => [
  `@${Date.parse('2026-01-31T00:00:00Z') / 1000}`,
  'Tue, 30 Jun 2026 00:00:00 GMT',
  `${page('deprecation')}, ${page('sunset')}, <http://localhost:8080/v2/things/${id}>; rel="successor-version"`
]

async function counted(operation: string, outcome: string): Promise<number> {
  const { values } = await registry.getSingleMetric('http_server_deprecated_requests_total')!.get()
  const found = values.find(({ labels }) => labels.operation === operation && labels.outcome === outcome)
  return found?.value ?? 0
}

describe('a deprecated operation', () => {
  test('says since when, until when, and what takes its place, on every answer, and on none of others', async () => {
    assert.deepEqual(told(await ask('/v1/things/a%2Fb%20c')), ofOldThing('a%2Fb%20c'))
    const head = await ask('/v1/things/1', { method: 'HEAD' })
    assert.deepEqual([head.status, told(head)], [200, ofOldThing('1')])
    const refused = await ask('/v1/things/1?colour=red')
    assertProblem(refused, 'invalid-request')
    assert.deepEqual(told(refused), ofOldThing('1'))
    const unknown = await ask('/v1/things/1', { client: '' })
    assert.deepEqual([unknown.status, told(unknown)], [401, ofOldThing('1')])
    const made = await ask('/v1/things', { method: 'POST' })
    assert.deepEqual([made.status, told(made)], [204, [`@${Date.parse('2026-03-01T00:00:00Z') / 1000}`, null, page('deprecation')]])
    assert.deepEqual(told(await ask('/v2/things/1')), [null, null, null])
  })

  test('says the same through the gateway', async () => {
    const { status, headers } = await ask('/v1/things/1', { from: gateway })
    assert.deepEqual([status, told({ headers })], [200, ofOldThing('1')])
  })

  test('is answered 410 from its day on, whoever asks, and until the moment before as ever', async () => {
    now = Date.parse('2026-06-30T00:00:00Z') - 1
    assert.equal((await ask('/v1/things/1')).status, 200)
    now++
    for (const from of [service, gateway]) {
      const ended = await ask('/v1/things/1', { from })
      assertProblem(ended, 'operation-ended')
      assert.equal(ended.body.detail, 'It ended on 2026-06-30')
      assert.deepEqual(told(ended), ofOldThing('1'))
    }
    assert.equal((await ask('/v1/things/1', { client: '' })).status, 410)
    assert.equal((await ask('/v2/things/1')).status, 200)
    assert.equal((await ask('/v1/things', { method: 'POST' })).status, 204)
  })

  test('is counted by what became of the request, with labels of the contract only', async () => {
    const [answered, ended] = [await counted('getOldThing', 'answered'), await counted('getOldThing', 'ended')]
    await ask('/v1/things/1', { client: 'one' })
    await ask('/v1/things/2', { client: 'another', method: 'HEAD' })
    now = Date.parse('2027-01-01T00:00:00Z')
    await ask('/v1/things/3', { client: 'one' })
    assert.deepEqual([await counted('getOldThing', 'answered'), await counted('getOldThing', 'ended')], [answered + 2, ended + 1])
    const { values } = await registry.getSingleMetric('http_server_deprecated_requests_total')!.get()
    const mine = values.filter(({ labels }) => labels.service === api.service)
    for (const { labels } of mine) assert.deepEqual(Object.keys(labels).sort(), ['operation', 'outcome', 'service'])
    assert.ok(mine.length <= 3)
    assert.equal(await counted('getThing', 'answered'), 0)
  })

  test('names each client that calls it in the log, once', async () => {
    const naming = (client: string) =>
      lines.filter(line => line.client === client && line.msg === 'a client calls a deprecated operation')
    for (let n = 0; n < 3; n++) await ask(`/v1/things/${n}`, { client: 'slow-to-move' })
    await ask('/v2/things/1', { client: 'modern' })
    const [line, ...more] = naming('slow-to-move')
    assert.deepEqual(
      [line!.operation, line!.since, line!.sunset, line!.successor],
      ['getOldThing', '2026-01-31', '2026-06-30', 'getThing']
    )
    assert.deepEqual([more, naming('modern')], [[], []])
  })

  test('is deprecated in OpenAPI, with its days, its successor, its headers and its 410; no other is', () => {
    // biome-ignore lint/suspicious/noExplicitAny: a test says by its assertions what it expects.
    const paths = openApi(api).paths as any
    const { get: old } = paths['/v1/things/{thingId}']
    const days = [old.deprecated, old['x-deprecated-since'], old['x-sunset'], old['x-successor']]
    assert.deepEqual(days, [true, '2026-01-31', '2026-06-30', 'getThing'])
    assert.match(old.description, /Deprecated.* since 2026-01-31\. It ends on 2026-06-30.*Use getThing instead/)
    for (const name of ['Deprecation', 'Sunset', 'Link']) assert.ok(old.responses['200'].headers[name], name)
    assert.deepEqual(old.responses['410'], { $ref: '#/components/responses/operation-ended' })
    const { get: next } = paths['/v2/things/{thingId}']
    assert.deepEqual(
      [next.deprecated, next.responses['410'], next.responses['200'].headers.Link],
      [undefined, undefined, undefined]
    )
    assert.equal(paths['/v1/things'].post.responses['410'], undefined)
  })
})

describe('a version that there is not', () => {
  for (const path of ['/v0/things/1', '/v3/things/1', '/v11/things/1', '/things/1', '/V1/things/1', '/v1.0/things/1']) {
    test(`such as ${path} is 404, at a service and at the gateway`, async () => {
      for (const from of [service, gateway]) assertProblem(await ask(path, { from }), 'not-found')
    })
  }
})

describe('a deprecation is refused', () => {
  const planted = (deprecated: Deprecation, more: object = {}) => ({
    operations: { ...api.operations, getOldThing: { ...api.operations.getOldThing, deprecated }, ...more }
  })
  const refused: [string, Deprecation, string, object?][] = [
    ['without a day', { since: 'soon' }, 'getOldThing is deprecated since soon, which is no day'],
    ['since a day that is none', { since: '2026-02-30' }, 'getOldThing is deprecated since 2026-02-30, which is no day'],
    [
      'until a day that is none',
      { since: '2026-01-31', sunset: 'Tue, 30 Jun 2026' },
      'getOldThing ends on Tue, 30 Jun 2026, which is no day'
    ],
    [
      'when it ends before its callers can know',
      { since: '2026-01-31', sunset: '2026-04-30' },
      'getOldThing ends on 2026-04-30, less than 90 days after 2026-01-31: callers need longer'
    ],
    [
      'when nothing follows',
      { since: '2026-01-31', successor: 'getThings' },
      'getOldThing is followed by getThings, which is no operation of this API'
    ],
    [
      'when what follows is on its way out too',
      { since: '2026-01-31', successor: 'makeThing' },
      'getOldThing is followed by makeThing, which is deprecated itself'
    ],
    [
      'when it cannot say where the successor of a request is',
      { since: '2026-01-31', successor: 'getPart' },
      'getOldThing is followed by getPart, whose {partId} a request to it does not say',
      { getPart: thing('/v2/parts/{partId}') }
    ]
  ]
  for (const [when, deprecated, says, more] of refused) {
    test(when, () => assert.deepEqual(lifecycleFaults(planted(deprecated, more)), [says]))
  }

  test('and not when it is 90 days later; a service with a bad one does not start', async () => {
    assert.deepEqual(lifecycleFaults(planted({ since: '2026-01-31', sunset: '2026-05-01' })), [])
    await assert.rejects(open({ ...api, ...planted({ since: 'soon' }) } as typeof api), /getOldThing is deprecated since soon/)
  })
})
