/** What an edge takes at most, at the limit and one beyond, and requests that would hide others; through the gateway, whose server is every service's. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { everybody } from '../../../test/support/admission.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import { exchange } from '../../../test/support/raw-http.ts'
import type { Reply } from '../../../test/support/service.ts'
import { openLog } from '../log.ts'
import { serveGateway } from './http-gateway.ts'
import type { HttpServer } from './http-server.ts'

const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
let gateway: HttpServer
const asked: string[] = []
before(async () => {
  const service = createServer(async (request, reply) => {
    const body = await text(request)
    asked.push(`${request.method} ${request.url!.slice(0, 30)} ${body.length}`)
    reply.end('fine')
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  stack.defer(() => {
    service.close()
    service.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/v1`
  gateway = stack.use(
    await serveGateway({
      upstreams: [{ service: 'shop', url, resources: ['goods'], beside: [] }],
      document: () => ({}),
      admission: everybody,
      corsOrigins: [],
      log: openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' }),
      ...{ baseUrl: 'http://localhost:8080', host: '127.0.0.1', port: 0, inFlightMax: 100, shutdownTimeoutMs: 5000 }
    })
  )
})

const send = async (request: string): Promise<Reply> => (await exchange(gateway.url, request))[0]!
const get = (path: string, headers = '') => send(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)

describe('an edge takes', () => {
  test('addresses of 8 KiB, and answers 414 to longer ones, however long they are', async () => {
    const address = (length: number) => `/v1/goods?${'a'.repeat(length - '/v1/goods?'.length)}`
    assert.equal((await get(address(8192))).status, 200)
    for (const length of [8193, 12_000, 20_000, 60_000]) assertProblem(await get(address(length)), 'uri-too-long')
  })

  test('100 header fields, of which one has 8 KiB, in 16 KiB altogether', async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, at) => `x-${at}: y\r\n`).join('')
    assert.equal((await get('/v1/goods', fields(99))).status, 200)
    for (const count of [100, 1000]) assertProblem(await get('/v1/goods', fields(count)), 'headers-too-large')
    const long = (length: number) => `x-long: ${'a'.repeat(length)}\r\n`
    assert.equal((await get('/v1/goods', long(8192))).status, 200)
    assertProblem(await get('/v1/goods', long(8193)), 'headers-too-large')
    assert.equal((await get('/v1/goods', long(7000).repeat(2))).status, 200)
    assertProblem(await get('/v1/goods', long(5500).repeat(3)), 'headers-too-large')
  })

  test('JSON of 1 MiB, which it refuses by what is said of its length before any of it has come', async () => {
    const post = (length: number, body: string) =>
      send(`POST /v1/goods HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`)
    assert.equal((await post(1_048_576, 'a'.repeat(1_048_576))).status, 200)
    assertProblem(await post(1_048_577, ''), 'payload-too-large')
  })
})

test('a request that hides another is refused, or is one request for everybody', async () => {
  const inner = 'DELETE /v1/goods/1 HTTP/1.1\r\nHost: x\r\n\r\n'
  const head = 'POST /v1/goods HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n'
  const size = inner.length.toString(16)
  const refused: Record<string, string> = {
    'CL.TE': `${head}Content-Length: ${inner.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    'TE.CL': `${head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${size}\r\n${inner}\r\n0\r\n\r\n`,
    'TE.TE': `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n${inner}`,
    'TE.TE with another coding': `${head}Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    'TE before a colon': `${head}Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${inner}`,
    'TE after a vertical tab': `${head}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${inner}`,
    'a folded TE': `${head}X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n${inner}`,
    'two lengths': `${head}Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
    'a length with a sign': `${head}Content-Length: +0\r\n\r\n${inner}`,
    'line feeds after the header': `GET /v1/goods HTTP/1.1\nHost: x\n\n${inner}`,
    'a line feed in a header': `GET /v1/goods HTTP/1.1\r\nHost: x\nX: y\r\n\r\n${inner}`,
    'a carriage return in a header': `GET /v1/goods HTTP/1.1\r\nHost: x\r\nX: y\rContent-Length: 5\r\n\r\n${inner}`,
    'line feeds in chunks': `${head}Transfer-Encoding: chunked\r\n\r\n0\n\n${inner}`,
    'a line feed in a chunk extension': `${head}Transfer-Encoding: chunked\r\n\r\n2;\n${size}\r\n{}\r\n0\r\n\r\n${inner}`
  }
  for (const [name, bytes] of Object.entries(refused)) {
    asked.length = 0
    const replies = await exchange(gateway.url, bytes, 2)
    assert.deepEqual([replies.length, replies[0]?.status], [1, name.endsWith('another coding') ? 501 : 400], name)
    assert.equal(
      asked.some(each => each.startsWith('DELETE')),
      false,
      name
    )
  }
  asked.length = 0
  const body = `GET /v1/goods HTTP/1.1\r\nHost: x\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`
  const replies = await exchange(gateway.url, `${body}GET /v1/goods/2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 3)
  assert.deepEqual([replies.length, asked], [2, ['GET /v1/goods 0', 'GET /v1/goods/2 0']])
})
