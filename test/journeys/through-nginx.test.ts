/** What users do, with nginx from `deploy/nginx` in the place of the gateway, over TLS as they would: services in one process, nginx before them. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import type { Import } from '#contracts/resources/import.ts'
import type { Product } from '#contracts/resources/product.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { canStartNginx, type Nginx, startNginx } from '../support/nginx.ts'
import { exchange } from '../support/raw-http.ts'
import { readStory } from '../support/story.ts'
import { eventually, openWorld, type Running, type World } from '../support/world.ts'

const run = promisify(execFile)
const skip = (await canStartNginx()) ? false : 'nginx is not installed here'

describe('through nginx', { skip }, () => {
  const stack = new AsyncDisposableStack()
  let world: World
  let services: Running
  let nginx: Nginx
  let certificates: Certificates
  let authorization: string
  before(async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    world = stack.use(await openWorld())
    services = await world.start(['user', 'product', 'order', 'search'], { PUBLIC_URL: url, CORS_ORIGINS: 'https://shop.example' })
    nginx = stack.use(await startNginx({ services: services.urls, port }))
    const folder = await mkdtemp(join(tmpdir(), 'through-nginx-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    certificates = await makeCertificates(folder)
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'admin', client_secret: 'admin-secret' })
    const granted = await fetch(`${url}/oauth/token`, { method: 'POST', body: form })
    authorization = `Bearer ${((await granted.json()) as { access_token: string }).access_token}`
  })
  after(() => stack.disposeAsync())

  const ask = (path: string, init: RequestInit = {}) =>
    fetch(nginx.url + path, { ...init, headers: { authorization, ...init.headers } })
  const send = (method: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
    ask(path, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })
  const create = async (title: string): Promise<Product> => {
    const variants = [{ sku: `NGINX-${title}`, prices: [{ amount: '10.00', currency: 'EUR' }], inventory: { onHand: 5 } }]
    return (await (await send('POST', '/v1/products', { title, status: 'active', variants })).json()) as Product
  }

  test('the story of the README works as it is printed', async () => {
    const { script, prints } = await readStory()
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script.replace('http://localhost:8080', nginx.url)])
    assert.deepEqual(stdout.trim().split('\n'), prints)
  })

  test('events are followed as they come, none held back', async () => {
    const reply = await ask('/v1/events', { headers: { accept: 'text/event-stream' }, signal: AbortSignal.timeout(60_000) })
    assert.match(reply.headers.get('content-type')!, /^text\/event-stream/)
    const lines = reply.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    const { productId } = await create('Followed')
    let seen = ''
    while (!seen.includes(productId)) {
      const { value, done } = await lines.next()
      assert.ok(!done, `the stream ended: ${seen}`)
      seen += value
    }
    await lines.return?.()
  })

  test('a file of several megabytes is imported', async () => {
    const line = (at: number) =>
      JSON.stringify({ title: `Imported ${at}`, description: 'x'.repeat(10_000), variants: [{ sku: `NGINX-IMPORT-${at}` }] })
    const file = Array.from({ length: 300 }, (_, at) => line(at)).join('\n')
    assert.ok(file.length > 3_000_000)
    const started = await ask('/v1/imports', { method: 'POST', body: file, headers: { 'content-type': 'application/x-ndjson' } })
    assert.equal(started.status, 202, await started.clone().text())
    const { importId } = (await started.json()) as Import
    const ended = await eventually(
      async () => (await (await ask(`/v1/imports/${importId}`)).json()) as Import,
      ({ status }) => status === 'completed' || status === 'failed',
      60_000
    )
    assert.deepEqual([ended.status, ended.created], ['completed', 300])
  })

  test('an ETag comes through as it was made, so that what is unchanged is not sent and what has changed is not overwritten', async () => {
    const { productId, version } = await create('Conditional')
    const path = `/v1/products/${productId}`
    const first = await ask(path, { headers: { 'accept-encoding': 'gzip, br' } })
    assert.deepEqual([first.headers.get('etag'), first.headers.get('content-encoding')], [`"${version}"`, null])
    await first.body?.cancel()
    assert.equal((await ask(path, { headers: { 'if-none-match': `"${version}"` } })).status, 304)
    const change = (title: string) => send('PATCH', path, { title }, { 'if-match': `"${version}"` })
    assert.deepEqual([(await change('Once')).status, (await change('Twice')).status], [200, 412])
    const key = { 'idempotency-key': 'through-nginx' }
    const replies = [
      await send('POST', '/v1/categories', { name: 'Once' }, key),
      await send('POST', '/v1/categories', { name: 'Once' }, key)
    ]
    assert.deepEqual(
      replies.map(({ status, headers }) => [status, headers.get('idempotency-replayed')]),
      [
        [201, null],
        [201, 'true']
      ]
    )
  })

  test('nobody is let in by a header, and a service asked past nginx believes none either', async () => {
    const forged = {
      'x-user-id': 'admin',
      'x-forwarded-user': 'admin',
      'x-auth-request-user': 'admin',
      'x-roles': 'admin',
      'x-scopes': 'catalog:write'
    }
    for (const url of [nginx.url, new URL(services.urls.product!).origin]) {
      const reply = await fetch(`${url}/v1/products`, { headers: forged })
      assert.equal(reply.status, 401, url)
      assert.match(reply.headers.get('www-authenticate')!, /^Bearer /)
      assert.equal((await fetch(`${url}/v1/products`, { headers: { ...forged, authorization: 'Bearer x.y.z' } })).status, 401)
    }
  })

  test('pages of an origin in the list may ask', async () => {
    const preflight = { origin: 'https://shop.example', 'access-control-request-method': 'POST' }
    for (const path of [
      '/v1/products',
      '/v1/webhook-endpoints',
      '/v1/webhook-endpoints/01990000-0000-7000-8000-000000000000/ping'
    ]) {
      const allowed = await fetch(nginx.url + path, { method: 'OPTIONS', headers: preflight })
      assert.deepEqual([allowed.status, allowed.headers.get('access-control-allow-origin')], [204, 'https://shop.example'])
    }
    const other = await ask('/v1/products', { headers: { origin: 'https://shop.example.evil.com' } })
    assert.equal(other.headers.get('access-control-allow-origin'), null)
  })

  test('a request hidden in another changes nothing', async () => {
    const { productId } = await create('Smuggled')
    const inner = `DELETE /v1/products/${productId} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`
    const head = `POST /v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\n`
    const hex = inner.length.toString(16)
    const vectors: Record<string, string> = {
      'CL.TE': `${head}Content-Length: ${inner.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
      'TE.CL': `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${hex}\r\n${inner}\r\n0\r\n\r\n`,
      'TE.TE': `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n${inner}`,
      'TE with a tab': `${head}Transfer-Encoding:\tchunked\r\nContent-Length: ${inner.length + 5}\r\n\r\n0\r\n\r\n${inner}`,
      'TE before a colon': `${head}Transfer-Encoding : chunked\r\nContent-Length: ${inner.length + 5}\r\n\r\n0\r\n\r\n${inner}`,
      'a folded TE': `${head}X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${inner}`,
      'two lengths': `${head}Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
      'chunk extensions': `${head}Transfer-Encoding: chunked\r\n\r\n2;\n${hex}\r\n{}\r\n0\r\n\r\n`,
      'a body of a GET': `GET /v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`
    }
    for (const [name, bytes] of Object.entries(vectors)) {
      await exchange(nginx.url, `${bytes}GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 4)
      assert.equal((await ask(`/v1/products/${productId}`)).status, 200, name)
    }
  })

  test('the same over TLS: it says that browsers are to come back that way, and takes nothing in the clear', async () => {
    const own = stack.use(await startNginx({ services: services.urls, tls: certificates.files }))
    const { port } = new URL(own.url)
    const socket = connectTls({ host: '127.0.0.1', port: Number(port), ca: certificates.ca, servername: 'localhost' })
    socket.write(`GET /v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`)
    let reply = ''
    for await (const piece of socket) reply += piece
    assert.match(reply, /^HTTP\/1\.1 200 /)
    assert.match(reply, /\r\nStrict-Transport-Security: max-age=31536000\r\n/i)
    const [clear] = await exchange(own.url.replace('https', 'http'), 'GET /v1/products HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal(clear!.status, 400)
  })
})
