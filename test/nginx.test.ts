/** The nginx of `deploy/nginx` before services that answer what they were asked: where requests lead, what is refused, what is passed on. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { apis } from '#contracts/catalogue.ts'
import { canStartNginx, type Nginx, startNginx } from './support/nginx.ts'
import { exchange } from './support/raw-http.ts'

type Asked = { service: string; method: string; url: string; headers: IncomingMessage['headers']; body: string }

const skip = (await canStartNginx()) ? false : 'nginx is not installed here'
const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
const asked: Asked[] = []

/** A service that answers with its name. */
async function named(service: string): Promise<string> {
  const server = createServer(async (request, reply) => {
    const body = await text(request)
    asked.push({ service, method: request.method!, url: request.url!, headers: request.headers, body })
    reply.writeHead(200, { 'content-type': 'text/plain', etag: '"7"', 'strict-transport-security': 'max-age=1' }).end(service)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Asks so often on one connection, without waiting in between. */
async function allReplies(url: string, request: string, times: number): Promise<string> {
  const closing = request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(request.repeat(times - 1) + closing))
  return text(socket)
}

describe('through nginx', { skip }, () => {
  let nginx: Nginx
  let services: Record<string, string>
  before(async () => {
    services = Object.fromEntries(await Promise.all(apis.map(async ({ service }) => [service, await named(service)])))
    nginx = stack.use(await startNginx({ services }))
  })
  const bearer = { authorization: 'Bearer anything' }
  const ask = (path: string, init: RequestInit = {}) => fetch(nginx.url + path, { headers: bearer, ...init })
  const problem = async (reply: Response) => {
    assert.match(reply.headers.get('content-type') ?? '', /^application\/problem\+json/)
    const { status, code } = (await reply.json()) as { status: number; code: string }
    assert.equal(status, reply.status)
    for (const name of ['x-request-id', 'x-content-type-options', 'content-security-policy', 'cache-control'])
      assert.ok(reply.headers.get(name), name)
    return `${status} ${code}`
  }

  test('every operation of every contract reaches its service, and so does what services serve beside', async () => {
    for (const { service, operations } of apis) {
      for (const { method, path } of Object.values(operations)) {
        const reply = await ask(path.replaceAll(/\{\w+\}/g, 'some-id'), { method })
        assert.deepEqual([reply.status, await reply.text()], [200, service], `${method} ${path}`)
      }
    }
    const beside = [
      'openapi.json',
      'asyncapi.json',
      'docs',
      'problems/not-found',
      'schemas/events/OrderCreated/1',
      '.well-known/jwks.json'
    ]
    for (const path of beside) assert.equal(await (await ask(`/${path}`)).text(), 'product', path)
    assert.equal(await (await ask('/oauth/token', { method: 'POST' })).text(), 'user')
    assert.deepEqual([(await ask('/health/live')).status, await (await ask('/health/ready')).text()], [200, 'product'])
  })

  test('what leads nowhere, or could be read in two ways, is answered here as a problem', async () => {
    asked.length = 0
    const { hostname, port } = new URL(nginx.url)
    const paths = ['/', '/v2/products', '/metrics', '/v1', '/admin', '/_problems/not-found', '//v1/products', '/v1//products']
    const tricks = [
      '/v1/orders/../products',
      '/v1/orders/./1',
      '/v1/orders/%2e%2e/users',
      '/v1/orders%2f1',
      '/v1/orders\\1',
      '/v1/%00'
    ]
    for (const path of [...paths, ...tricks]) {
      const [reply] = await exchange(`http://${hostname}:${port}`, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      assert.ok([400, 404].includes(reply!.status), `${path} ${reply!.status}`)
      assert.ok(['not-found', 'malformed-http'].includes(reply!.body.code), path)
    }
    assert.deepEqual(asked, [])
  })

  test('a request goes on as it came, without the headers that say who asks, and is told where from', async () => {
    const lies =
      'x-user-id x-forwarded-user x-auth-request-user x-forwarded-for x-real-ip forwarded x-tenant-id x-forwarded-host x_user_id'
    const headers = {
      ...bearer,
      ...Object.fromEntries(lies.split(' ').map(name => [name, 'admin'])),
      ...{ 'x-api-key': 'k', 'idempotency-key': 'i', 'if-match': '"6"', 'x-request-id': 'mine', 'content-type': 'application/json' }
    }
    asked.length = 0
    const reply = await ask('/v1/products/1?a=%20%2B+&a=2', { method: 'PATCH', headers, body: '{"a": 1}' })
    assert.deepEqual([reply.status, reply.headers.get('etag'), reply.headers.get('server')], [200, '"7"', 'nginx'])
    assert.equal(reply.headers.get('strict-transport-security'), null, 'a service behind TLS does not say what this edge speaks')
    const [{ method, url, body, headers: sent }] = asked as [Asked]
    assert.deepEqual([method, url, body], ['PATCH', '/v1/products/1?a=%20%2B+&a=2', '{"a": 1}'])
    for (const name of lies.split(' ')) assert.equal(sent[name], name === 'x-forwarded-for' ? '127.0.0.1' : undefined, name)
    for (const name of ['authorization', 'x-api-key', 'idempotency-key', 'if-match', 'x-request-id']) {
      assert.equal(sent[name], (headers as Record<string, string>)[name], name)
    }
    await ask('/v1/products/1', { headers: { ...bearer, 'x-request-id': '<script>' } })
    assert.match(asked[1]!.headers['x-request-id'] as string, /^[0-9a-f]{32}$/)
  })

  test('limits hold exactly, and what is over them is a problem', async () => {
    const url = (length: number) => `/v1/products?${'a'.repeat(length - '/v1/products?'.length)}`
    // nginx takes 8 KiB for the whole line.
    const line = 8192 - 'GET  HTTP/1.1\r\n'.length
    assert.equal((await ask(url(line))).status, 200)
    assert.equal(await problem(await ask(url(line + 1))), '414 uri-too-long')
    const withHeader = (length: number) => ask('/v1/products', { headers: { ...bearer, 'x-long': 'a'.repeat(length) } })
    assert.equal((await withHeader(8000)).status, 200)
    assert.equal(await problem(await withHeader(8192)), '431 headers-too-large')
    const withBody = (path: string, length: number) => ask(path, { method: 'POST', body: 'a'.repeat(length) })
    assert.equal((await withBody('/v1/products', 1_048_576)).status, 200)
    assert.equal(await problem(await withBody('/v1/products', 1_048_577)), '413 payload-too-large')
    assert.equal((await withBody('/v1/imports', 3_000_000)).status, 200)
  })

  test('what is not well-formed is refused, and nothing of it is taken for a request of its own', async () => {
    const { url } = nginx
    const head = 'POST /v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer b\r\n'
    const inner = 'DELETE /v1/products/1 HTTP/1.1\r\nHost: x\r\n\r\n'
    const refused: Record<string, string> = {
      'a length and chunks': `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
      'chunks and a length': `${head}Transfer-Encoding: chunked\r\nContent-Length: ${inner.length + 5}\r\n\r\n0\r\n\r\n${inner}`,
      'two lengths': `${head}Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
      'chunks by another name': `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`,
      'chunks twice': `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${inner}`,
      'a length with a sign': `${head}Content-Length: +5\r\n\r\n${inner}`,
      'a folded length': `${head}Content-Length:\r\n 5\r\n\r\nabcde${inner}`,
      'a chunk without a size': `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n${inner}`,
      'a name with a space': `${head}Content-Length : 5\r\n\r\nabcde${inner}`,
      'no host': `GET /v1/products HTTP/1.1\r\n\r\n${inner}`,
      'a version that is none': `GET /v1/products HTTP/9.9\r\nHost: x\r\n\r\n${inner}`,
      nonsense: `NONSENSE\r\n\r\n${inner}`
    }
    for (const [name, bytes] of Object.entries(refused)) {
      asked.length = 0
      await exchange(url, bytes, 2)
      assert.equal(
        asked.some(({ method }) => method === 'DELETE'),
        false,
        name
      )
    }
    const [reply] = await exchange(url, refused['a length with a sign']!)
    assert.deepEqual([reply!.status, reply!.body.code], [400, 'malformed-http'])
  })

  test('requests written with line feeds only are as many to a service as they are to nginx', async () => {
    asked.length = 0
    const bare = 'GET /v1/products HTTP/1.1\nHost: x\nAuthorization: Bearer b\n\n'
    const replies = await exchange(
      nginx.url,
      `${bare}${bare.replaceAll('\n', '\r\n').replace('Host', 'Connection: close\r\nHost')}`,
      3
    )
    assert.ok(replies.length >= 1)
    assert.equal(asked.length, replies.filter(({ status }) => status === 200).length)
  })

  test('who asks without credentials is let through as often as an address may, and told so; who has some, or asks whether we live, is not held up', async () => {
    // A service that is away is answered for at once.
    const own = await startNginx({ services: { ...services, search: 'http://127.0.0.1:1' } })
    stack.use(own)
    const began = performance.now()
    const replies = (await allReplies(own.url, 'GET /v1/search HTTP/1.1\r\nHost: x\r\n\r\n', 800)).split('HTTP/1.1 ').slice(1)
    const seconds = (performance.now() - began) / 1000
    const [passed, refused] = ['503', '429'].map(status => replies.filter(reply => reply.startsWith(status)))
    assert.equal(passed!.length + refused!.length, 800)
    assert.ok(passed!.length >= 600 && passed!.length <= 602 + 10 * seconds, `${passed!.length} in ${seconds} s`)
    if (seconds < 15) {
      const [head, body] = refused![0]!.split('\r\n\r\n')
      assert.match(head!, /\r\nRetry-After: 1(\r|$)/)
      assert.partialDeepStrictEqual(JSON.parse(body!), { code: 'quota-exceeded', 'violated-policies': ['address'] })
    }
    for (const path of ['/v1/products', '/oauth/token', '/health/live', '/health/ready']) {
      const init = path.startsWith('/health') ? {} : { headers: bearer }
      assert.equal((await fetch(own.url + path, init)).status, 200, path)
    }
  })

  test('a service that is away or breaks off is a problem with Retry-After, and what was sent and may have had effect is not sent again', async () => {
    const came: string[] = []
    const rude = createTcpServer(socket =>
      socket.once('data', data => {
        came.push(data.toString().split(' ')[0]!)
        socket.destroy()
      })
    ).listen(0, '127.0.0.1')
    await once(rude, 'listening')
    stack.defer(() => void rude.close())
    const url = `http://127.0.0.1:${(rude.address() as AddressInfo).port}`
    // Two servers of each, of which one that has failed is left alone for a while.
    const rudely = Object.fromEntries(
      ['product', 'user', 'search'].map(service => [service, [url, url.replace('127.0.0.1', 'localhost')]])
    )
    const own = await startNginx({ services: { ...rudely, order: 'http://127.0.0.1:1' } })
    stack.use(own)
    const send = (path: string, method: string) => fetch(own.url + path, { method, headers: bearer })
    for (const [path, method, times] of [
      ['products', 'POST', 1],
      ['users/1', 'PATCH', 1],
      ['search', 'GET', 2]
    ] as const) {
      came.length = 0
      const reply = await send(`/v1/${path}`, method)
      assert.deepEqual([await problem(reply), reply.headers.get('retry-after')], ['503 unavailable', '1'])
      assert.deepEqual(came, Array(times).fill(method))
    }
    assert.equal(await problem(await send('/v1/orders', 'POST')), '503 unavailable')
  })
})
