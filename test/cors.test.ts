/** What a browser lets a page of another origin do: it asks first, sends what it was allowed, and shows the page what is exposed. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { productService } from '../src/services/product/service.ts'
import { type RunningService, runService } from './support/service.ts'

const page = 'https://shop.example'
let service: RunningService
before(async () => {
  service = await runService(productService, { CORS_ORIGINS: `${page},https://admin.example` })
})
after(() => service[Symbol.asyncDispose]())

class Blocked extends Error {}

/** They are in every answer that a page may read (Fetch, 3.3.2). */
const alwaysShown = ['cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma']
const listed = (headers: Headers, name: string) => (headers.get(name) ?? '').toLowerCase().split(/\s*,\s*/)

/** As `fetch` in a page of this origin; rejects with `Blocked` for what a browser would not send, or not show. */
async function fetchFrom(origin: string, method: string, path: string, headers: Record<string, string>, body?: unknown) {
  const asked = Object.keys(headers).map(name => name.toLowerCase())
  const preflight = await fetch(service.url + path, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': asked.sort().join(',') }
  })
  const may = preflight.headers
  const isLet =
    preflight.ok &&
    may.get('access-control-allow-origin') === origin &&
    (['GET', 'HEAD', 'POST'].includes(method) || listed(may, 'access-control-allow-methods').includes(method.toLowerCase())) &&
    asked.every(name => listed(may, 'access-control-allow-headers').includes(name))
  if (!isLet) throw new Blocked(`${method} ${path} is not sent: ${JSON.stringify([...may])}`)
  const reply = await fetch(service.url + path, {
    method,
    headers: { ...headers, origin },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  if (reply.headers.get('access-control-allow-origin') !== origin) throw new Blocked(`the answer to ${method} ${path} is not shown`)
  const shown = [...listed(reply.headers, 'access-control-expose-headers'), ...alwaysShown]
  const text = await reply.text()
  return {
    status: reply.status,
    headers: new Headers([...reply.headers].filter(([name]) => shown.includes(name))),
    body: text === '' ? undefined : JSON.parse(text)
  }
}

const authorization = 'Bearer anybody'
const json = { authorization, 'content-type': 'application/json' }
const webhook = { url: 'https://93.184.216.34/hook', eventTypes: ['ProductCreated'] }
const key = () => ({ 'idempotency-key': crypto.randomUUID() })

test('a page of an origin in the list manages webhooks: every operation, with what makes it safe to repeat and to change', async () => {
  const send = (method: string, path: string, headers: Record<string, string>, body?: unknown) =>
    fetchFrom(page, method, path, headers, body)
  const once = { ...json, ...key() }
  const created = await send('POST', '/v1/webhook-endpoints', once, webhook)
  assert.equal(created.status, 201, JSON.stringify(created.body))
  const path = created.headers.get('location')!
  assert.equal(path, `/v1/webhook-endpoints/${created.body.webhookEndpointId}`)
  const again = await send('POST', '/v1/webhook-endpoints', once, webhook)
  assert.deepEqual(
    [again.headers.get('idempotency-replayed'), again.headers.get('location'), again.body.secret],
    ['true', path, null]
  )

  const etag = created.headers.get('etag')!
  const changed = await send('PATCH', path, { ...json, ...key(), 'if-match': etag }, { description: 'From a page' })
  assert.deepEqual([changed.status, changed.body.description], [200, 'From a page'])
  assert.equal(changed.headers.get('etag'), `"${changed.body.version}"`)
  const late = await send('PATCH', path, { ...json, 'if-match': etag }, { description: 'Too late' })
  assert.deepEqual(
    [late.status, late.body.code, late.headers.get('etag')],
    [412, 'precondition-failed', changed.headers.get('etag')]
  )

  const known = { authorization, 'if-none-match': changed.headers.get('etag')! }
  assert.equal((await send('GET', path, known)).status, 304)
  assert.equal((await send('GET', '/v1/webhook-endpoints?limit=1', { authorization })).body.data.length, 1)
  const ping = await send('POST', `${path}/ping`, { authorization, ...key() })
  assert.equal(ping.status, 202)
  const delivery = await send('GET', ping.headers.get('location')!, { authorization })
  assert.equal(delivery.body.webhookDeliveryId, ping.body.webhookDeliveryId)
  assert.equal(
    (await send('POST', `/v1/webhook-deliveries/${delivery.body.webhookDeliveryId}/redeliver`, { authorization })).status,
    202
  )
  assert.equal((await send('POST', `${path}/redeliver`, json, { from: '2020-01-01T00:00:00Z' })).status, 200)
  const rotated = await send('POST', `${path}/rotate-secret`, { ...json, 'if-match': changed.headers.get('etag')! }, {})
  assert.match(rotated.body.secret, /^whsec_/)
  const ended = await send('DELETE', path, { authorization, ...key(), 'if-match': rotated.headers.get('etag')! })
  assert.deepEqual([ended.status, ended.body], [204, undefined])
  // Who has no right is told so, and the page may read that too.
  const refused = await send('POST', '/v1/webhook-endpoints', { ...json, authorization: 'Bearer anybody webhooks:read' }, webhook)
  assert.deepEqual([refused.status, refused.body.code], [403, 'insufficient-scope'])
  assert.match(refused.headers.get('www-authenticate')!, /insufficient_scope/)
})

test('a page of any other origin is let do none of it, whatever it has got hold of', async () => {
  const { body } = await service.request('POST', '/v1/webhook-endpoints', webhook)
  const path = `/v1/webhook-endpoints/${body.webhookEndpointId}`
  const all: [method: string, path: string, body?: unknown][] = [
    ['GET', '/v1/webhook-endpoints'],
    ['POST', '/v1/webhook-endpoints', webhook],
    ['GET', path],
    ['PATCH', path, { url: 'https://93.184.216.34/theirs' }],
    ['POST', `${path}/ping`],
    ['POST', `${path}/rotate-secret`, {}],
    ['POST', `${path}/redeliver`, { from: '2020-01-01T00:00:00Z' }],
    ['GET', '/v1/webhook-deliveries'],
    ['DELETE', path]
  ]
  for (const origin of ['https://shop.example.evil.com', 'http://shop.example', 'https://93.184.216.34', 'null']) {
    for (const [method, path, sent] of all) {
      const headers = sent === undefined ? { authorization } : json
      await assert.rejects(
        fetchFrom(origin, method, path, { ...headers, ...key() }, sent),
        Blocked,
        `${method} ${path} from ${origin}`
      )
    }
  }
  // What a browser sends without asking, as forms do, is not taken for JSON, and a cookie is nobody's token.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const form = { 'content-type': type, origin: 'https://evil.example', cookie: 'token=anybody', authorization: '' }
    const { status, headers } = await service.request('POST', '/v1/webhook-endpoints', JSON.stringify(webhook), form)
    assert.deepEqual([status, headers.get('access-control-allow-origin')], [401, null])
  }
  const { body: after } = await service.request('GET', path)
  assert.deepEqual([after.url, after.version, after.secrets], [webhook.url, 1, body.secrets])
})
