/** Malformed queries and headers of every kind: a clear problem, nothing changed, and never an error of ours. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Attacked, JSON_TYPE, openAttacked } from './support/attacked.ts'
import { assertProblem, assertSafeHeaders } from './support/problem.ts'
import { exchange } from './support/raw-http.ts'

let attacked: Attacked
before(async () => {
  attacked = await openAttacked()
})
after(() => attacked[Symbol.asyncDispose]())

describe('a query', () => {
  test('with what nobody knows, or twice what is one, or what is no value, is refused', async () => {
    const { send, assertRefused, variantId } = attacked
    const queries = [
      '/v1/products?unknown=1',
      '/v1/products?Limit=1',
      '/v1/products?limit=1&limit=2',
      '/v1/products?limit=1&limit=1',
      '/v1/products?limit[]=1',
      '/v1/products?limit[a]=1',
      '/v1/products?limit',
      '/v1/products?limit=',
      '/v1/products?limit=0',
      '/v1/products?limit=101',
      '/v1/products?limit=-1',
      '/v1/products?limit=1.5',
      '/v1/products?limit=1e400',
      '/v1/products?limit=ten',
      '/v1/products?limit=%00',
      '/v1/products?__proto__=1',
      '/v1/products?__proto__[polluted]=1',
      '/v1/products?constructor[prototype][polluted]=1',
      '/v1/products?sku=%00',
      '/v1/products?sku=',
      '/v1/products?sku=%F0%9F%98%80',
      '/v1/products?slug=%00',
      '/v1/products?slug=%1B[2J',
      '/v1/products?externalId=a%00b',
      '/v1/products?status=sold',
      '/v1/products?slug=a&slug=b',
      '/v1/products?categoryId=1',
      "/v1/products?categoryId=1';drop%20table%20products--",
      '/v1/categories?slug=%00',
      '/v1/dead-letters?consumer=%00',
      '/v1/dead-letters?key=%00',
      '/v1/dead-letters?status=gone',
      '/v1/reservations?orderId=%00',
      '/v1/reservations?orderId=%20',
      '/v1/inventory/ledger?orderId=%0A',
      `/v1/variants/${variantId}?limit=1`,
      `/v1/variants/${variantId}?`.concat('a=1&'.repeat(2000)),
      `/v1/products?slug=${'a'.repeat(201)}`,
      `/v1/products?${'limit=1&'.repeat(1000)}`
    ]
    await assertRefused(queries.map(path => [path, 'invalid-request', () => send('GET', path)]))
    const tooLong = [`/v1/variants/${variantId}?${'a=1&'.repeat(3000)}`, `/v1/products?${'limit=1&'.repeat(1500)}`]
    await assertRefused(tooLong.map(path => [path.slice(0, 80), 'uri-too-long', () => send('GET', path)]))
    await assertRefused([
      ['a query where none is', 'invalid-request', () => send('DELETE', `/v1/variants/${variantId}?force=true`)]
    ])
    const cursors = ['x', '%00', '..', 'AAAA', '%F0%9F%98%80', 'a'.repeat(512)]
    await assertRefused(cursors.map(cursor => [cursor, 'invalid-cursor', () => send('GET', `/v1/products?cursor=${cursor}`)]))
  })

  test('names what it does not know', async () => {
    const { body } = await attacked.send('GET', '/v1/products?unknown=1&limit=0&a/b=1')
    assert.deepEqual(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort(), [
      '#/query/a~1b',
      '#/query/limit',
      '#/query/unknown'
    ])
  })
})

describe('a header', () => {
  const category = '{"name":"x"}'

  test('that says the body is something else makes it unread', async () => {
    const { send, assertRefused, variantId } = attacked
    const types = [
      'text/plain',
      'text/json',
      'application/xml',
      'application/json-patch+json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/merge-patch+json',
      'application/jsonx',
      'application/json/x',
      '*/*',
      'json',
      'x',
      ';',
      'application/json; charset=utf-16',
      'application/json; charset="latin1"',
      'application/json;charset=UTF-7'
    ]
    await assertRefused(
      types.map(type => [type, 'unsupported-media-type', () => send('POST', '/v1/categories', { 'content-type': type }, category)])
    )
    const codings = ['gzip', 'deflate', 'br', 'GZIP', 'identity, gzip', 'x']
    await assertRefused(
      codings.map(coding => [
        coding,
        'unsupported-media-type',
        () => send('POST', '/v1/categories', { ...JSON_TYPE, 'content-encoding': coding }, category)
      ])
    )
    await assertRefused([
      ['no type', 'unsupported-media-type', () => send('POST', '/v1/categories', {}, category)],
      [
        'no patch',
        'unsupported-media-type',
        async () => {
          const reply = await send('PATCH', `/v1/variants/${variantId}`, { 'content-type': 'text/plain' }, '{}')
          assert.match(reply.headers.get('accept-patch') ?? '', /application\/merge-patch\+json/)
          return reply
        }
      ]
    ])
    for (const type of [
      'application/json',
      'Application/JSON;charset=UTF-8',
      'application/json; charset="utf-8"',
      'application/merge-patch+json'
    ])
      assert.equal((await send('PATCH', `/v1/variants/${variantId}`, { 'content-type': type }, '{}')).status, 200, type)
  })

  test('that accepts nothing we have is told so before anything is done', async () => {
    const { post, send, assertRefused } = attacked
    const impossible = [
      'text/html',
      'application/xml',
      'image/*',
      'text/html, application/xml;q=0.9',
      'application/json;q=0',
      'text/html, */*;q=0.0'
    ]
    await assertRefused(
      impossible.map(accept => [accept, 'not-acceptable', () => post('/v1/categories', { name: 'x' }, { accept })])
    )
    const possible = [
      '*/*',
      'application/*',
      'application/json',
      'APPLICATION/JSON',
      'text/html, application/json;q=0.1',
      'application/problem+json',
      'text/html, */*;q=0.5',
      '',
      ',',
      'rubbish',

      'a/b/c',
      '\xff'
    ]
    for (const accept of possible) assert.equal((await send('GET', '/v1/products', { accept })).status, 200, accept)
  })

  test('cannot put words into a reply', async () => {
    const { send, service, productId } = attacked
    const ids = {
      good: 'a-b.c_D9',
      tooLong: 'a'.repeat(129),
      huge: 'x'.repeat(8192),
      markup: '<script>',
      space: 'a b',
      latin: 'é'
    }
    for (const [name, id] of Object.entries(ids)) {
      const reply = await send('GET', `/v1/products/${productId}`, { 'x-request-id': id })
      assert.equal(reply.status, 200)
      assert.equal(reply.headers.get('x-request-id') === id, name === 'good')
      assertSafeHeaders(reply.headers)
    }
    const beyond = await send('GET', `/v1/products/${productId}`, { 'x-request-id': 'x'.repeat(10_000) })
    assertProblem(beyond, 'headers-too-large')
    assert.match(beyond.headers.get('x-request-id') ?? '', /^[\w-]{1,128}$/)
    assert.doesNotMatch(JSON.stringify(beyond.body), /x{10}/)
    assertSafeHeaders(beyond.headers)
    const [split] = await exchange(
      service.url,
      'GET /v1/none HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n b\r\nSet-Cookie: evil=1\r\nOrigin: https://evil.example\r\n\r\n'
    )
    assertSafeHeaders(split!.headers)
  })

  test('of a trace is continued when it is one, and begun anew when not', async () => {
    const { send } = attacked
    const traceId = 'c'.repeat(32)
    const continued = (await send('GET', '/v1/none', { traceparent: `00-${traceId}-${'d'.repeat(16)}-01` })).body.traceId
    assert.equal(continued, traceId)
    for (const traceparent of [
      '',
      'x',
      `00-${'0'.repeat(32)}-${'d'.repeat(16)}-01`,
      `ff-${traceId}-${'d'.repeat(16)}-01`,
      `00-${traceId.toUpperCase()}-${'d'.repeat(16)}-01`,
      'x'.repeat(10_000)
    ]) {
      const { body } = await send('GET', '/v1/none', { traceparent })
      assert.match(body.traceId, /^[0-9a-f]{32}$/)
      assert.notEqual(body.traceId, traceId)
    }
  })

  test('that is no token lets nobody in, whatever the body is', async () => {
    const { assertRefused, send } = attacked
    await assertRefused([
      ['none', 'unauthenticated', () => send('POST', '/v1/products', { authorization: '', ...JSON_TYPE }, 'not JSON')],
      [
        'too few rights',
        'insufficient-scope',
        () => send('POST', '/v1/products', { authorization: 'Bearer somebody catalog:read', ...JSON_TYPE }, 'not JSON')
      ],
      ['none, for what is not there', 'not-found', () => send('GET', '/v1/none', { authorization: '' })]
    ])
  })

  test('is safe on every reply, whatever is served', async () => {
    const { send, productId } = attacked
    const paths = [
      '/v1/products',
      `/v1/products/${productId}`,
      '/health/live',
      '/health/ready',
      '/metrics',
      '/openapi.json',
      '/asyncapi.json',
      '/docs',
      '/problems/internal'
    ]
    for (const path of paths) assertSafeHeaders((await send('GET', path)).headers)
    for (const path of paths.slice(0, 2))
      assert.match((await send('GET', path)).headers.get('cache-control') ?? '', /no-store|no-cache/)
  })
})
