/** Malformed HTTP of every kind: a clear problem, nothing changed, and never an error of ours. See also hostile-headers and hostile-input. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { productApi } from '#contracts/http/product-api.ts'
import { type ProblemCode, problems } from '#contracts/problems.ts'
import { type Attack, type Attacked, openAttacked } from './support/attacked.ts'
import { assertProblem } from './support/problem.ts'
import { exchange } from './support/raw-http.ts'
import type { Reply } from './support/service.ts'
import { unchanged } from './support/unchanged.ts'

let attacked: Attacked
before(async () => {
  attacked = await openAttacked()
})
after(() => attacked[Symbol.asyncDispose]())

describe('what is not HTTP', () => {
  const start = 'GET /v1/products HTTP/1.1\r\n'
  const host = 'Host: x\r\n'
  const bearer = 'Authorization: Bearer anybody\r\n'
  const create = `POST /v1/categories HTTP/1.1\r\n${host}${bearer}Content-Type: application/json\r\n`
  const body = '{"name":"Smuggled"}'
  const chunks = `13\r\n${body}\r\n0\r\n\r\n`
  const raw: Record<string, [ProblemCode, string | Buffer]> = {
    'a header of 20 KB': ['headers-too-large', `${start}${host}X-Big: ${'a'.repeat(20_000)}\r\n\r\n`],
    'headers of 20 KB together': ['headers-too-large', `${start}${host}${'X-A: aaaaaaaaaa\r\n'.repeat(1200)}\r\n`],
    'an address of 20 KB': ['uri-too-long', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`],
    'both a length and chunks': ['malformed-http', `${create}Content-Length: 19\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`],
    'both chunks and a length': ['malformed-http', `${create}Transfer-Encoding: chunked\r\nContent-Length: 19\r\n\r\n${chunks}`],
    'two lengths': ['malformed-http', `${create}Content-Length: 19\r\nContent-Length: 20\r\n\r\n${body}`],
    'two equal lengths': ['malformed-http', `${create}Content-Length: 19\r\nContent-Length: 19\r\n\r\n${body}`],
    'a list of lengths': ['malformed-http', `${create}Content-Length: 19, 19\r\n\r\n${body}`],
    'a negative length': ['malformed-http', `${create}Content-Length: -19\r\n\r\n${body}`],
    'a length with a sign': ['malformed-http', `${create}Content-Length: +19\r\n\r\n${body}`],
    'a hexadecimal length': ['malformed-http', `${create}Content-Length: 0x13\r\n\r\n${body}`],
    'a length beyond all numbers': ['malformed-http', `${create}Content-Length: ${'9'.repeat(40)}\r\n\r\n${body}`],
    'chunks and something else': ['malformed-http', `${create}Transfer-Encoding: chunked, identity\r\n\r\n${chunks}`],
    'chunks twice': ['malformed-http', `${create}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n${chunks}`],
    'chunks by another name': ['malformed-http', `${create}Transfer-Encoding: xchunked\r\n\r\n${chunks}`],
    'chunks under a name with a space': ['malformed-http', `${create}Transfer-Encoding : chunked\r\n\r\n${chunks}`],
    'compressed chunks': ['not-implemented', `${create}Transfer-Encoding: gzip, chunked\r\n\r\n${chunks}`],
    'chunks of chunks': ['malformed-http', `${create}Transfer-Encoding: chunked, chunked\r\n\r\n${chunks}`],
    'an empty transfer coding': ['malformed-http', `${create}Transfer-Encoding:\r\n\r\n${chunks}`],
    'a chunk without a size': ['malformed-http', `${create}Transfer-Encoding: chunked\r\n\r\n${body}`],
    'a chunk of a negative size': ['malformed-http', `${create}Transfer-Encoding: chunked\r\n\r\n-13\r\n${body}\r\n0\r\n\r\n`],
    'a chunk longer than its size': ['malformed-http', `${create}Transfer-Encoding: chunked\r\n\r\n12\r\n${body}\r\n0\r\n\r\n`],
    'a chunk ended by a line feed': ['malformed-http', `${create}Transfer-Encoding: chunked\r\n\r\n13\n${body}\n0\n\n`],
    'chunk extensions of 20 KB': [
      'malformed-http',
      `${create}Transfer-Encoding: chunked\r\n\r\n13;${'a'.repeat(20_000)}\r\n${body}\r\n0\r\n\r\n`
    ],
    'a folded header': ['malformed-http', `${start}${host}X-A: a\r\n b\r\n\r\n`],
    'a header that is no field': ['malformed-http', `${start}${host}rubbish\r\n\r\n`],
    'a header with a NUL': ['malformed-http', `${start}${host}X-A: a\0b\r\n\r\n`],
    'a header with a lone carriage return': ['malformed-http', `${start}${host}X-A: a\rX-B: b\r\n\r\n`],
    'a name with a space before the colon': ['malformed-http', `${start}Host : x\r\n\r\n`],
    'line feeds only': ['malformed-http', 'GET /v1/products HTTP/1.1\nHost: x\n\n'],
    'no host': ['malformed-http', `${start}${bearer}\r\n`],
    'a method that is none': ['malformed-http', `FOO /v1/products HTTP/1.1\r\n${host}\r\n`],
    'a method in lower case': ['malformed-http', `get /v1/products HTTP/1.1\r\n${host}\r\n`],
    'a version that is none': ['malformed-http', `GET /v1/products HTTP/9.9\r\n${host}\r\n`],
    'no version, as long ago': ['malformed-http', 'GET /v1/products\r\n\r\n'],
    'the beginning of HTTP/2': ['malformed-http', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    'the beginning of TLS': ['malformed-http', Buffer.from('16030100a5010000a10303', 'hex')],
    'an address with bytes of UTF-8': ['malformed-http', `GET /v1/products/é HTTP/1.1\r\n${host}\r\n`],
    'an address with a space': ['malformed-http', `GET /v1/products ?x HTTP/1.1\r\n${host}\r\n`],
    nothing: ['malformed-http', '\0\0\0\0'],
    'a tunnel': ['not-implemented', `CONNECT evil.example:443 HTTP/1.1\r\n${host}\r\n`]
  }

  test('is answered with a problem all the same, and the connection ends', async () => {
    const { service, assertRefused } = attacked
    await assertRefused(
      Object.entries(raw).map(([name, [code, bytes]]) => [
        name,
        code,
        async () => {
          const [reply, more] = await exchange(service.url, bytes, 2)
          assert.ok(reply && !more, `${name}: not one reply`)
          assert.equal(reply.headers.get('connection'), 'close', name)
          return reply
        }
      ])
    )
  })

  test('does not take the place of the replies before it on the connection', async () => {
    const good = `${create}Content-Length: 15\r\n\r\n{"name":"Good"}${start}${host}${bearer}\r\n`
    const [first, second, third] = await exchange(attacked.service.url, `${good}GARBAGE\r\n\r\n`, 3)
    assert.deepEqual([first?.status, first?.body.name, second?.status], [201, 'Good', 200])
    assertProblem(third!, 'malformed-http')
  })

  test('cannot hide in the body of a request that has none', async () => {
    const { service, variantId } = attacked
    const inner = `DELETE /v1/variants/${variantId} HTTP/1.1\r\n${host}${bearer}\r\n`
    await unchanged(service.database, async () => {
      for (const method of ['GET', 'OPTIONS', 'DELETE']) {
        const outer = `${method} /v1/products/${variantId} HTTP/1.1\r\n${host}${bearer}Content-Length: ${inner.length}\r\n\r\n${inner}`
        const replies = await exchange(service.url, `${outer}GET /health/live HTTP/1.1\r\n${host}Connection: close\r\n\r\n`, 3)
        const expected = { GET: [404, 200], OPTIONS: [204, 200], DELETE: [415, 200] }[method]
        assert.deepEqual(
          replies.map(({ status }) => status),
          expected,
          method
        )
      }
    })
  })

  test('that only wishes for more is answered as if it did not', async () => {
    const { send, productId } = attacked
    const wishes = [{ expect: 'tea' }, { connection: 'upgrade, close', upgrade: 'h2c' }, { te: 'trailers' }]
    for (const wish of wishes) assert.equal((await send('GET', `/v1/products/${productId}`, wish)).status, 200)
  })
})

describe('a path', () => {
  test('that is not exactly one of ours is not found', async () => {
    const { send, assertRefused, productId } = attacked
    const paths = [
      '/',
      '//',
      '/v1',
      '/v1/',
      '/v2/products',
      '/v1/product',
      '/v1/products/',
      '//v1/products',
      '/v1//products',
      '/V1/products',
      '/v1/Products',
      '/v1/products/./',
      `/v1/products/../products/${productId}`,
      '/v1/%2e%2e/v1/products',
      '/v1%2Fproducts',
      '/%76%31/products%00',
      '/v1/products%00',
      '/v1/products%20',
      '/v1/products;a=b',
      '/v1/products.json',
      '/v1/products%3Flimit=1',
      `/v1/products/${productId}/`,
      `/v1/products/${productId}/none`,
      '/v1/products/%ZZ',
      '/v1/products/%',
      '/v1/products/%c3%28',
      '/%',
      '/.env',
      '/.git/config',
      '/docs/static/../../package.json',
      '/docs/static/%2e%2e%2f%2e%2e%2fpackage.json',
      '/docs/static/..%5c..%5cpackage.json',
      '/docs/static/none.js',
      '/docs/static/%00',
      '/problems/none',
      '/problems/__proto__',
      '/problems/constructor',
      '/schemas/events/__proto__/1',
      '/schemas/events/ProductCreated/999'
    ]
    await assertRefused(paths.map(path => [path, 'not-found', () => send('GET', path)]))
  })

  test('with an id that is none is refused for every operation', async () => {
    const { send, assertRefused, productId } = attacked
    const ids = [
      '1',
      'null',
      productId.toUpperCase(),
      `${productId}0`,
      `%7B${productId}%7D`,
      '%00',
      '..%2f..',
      '..',
      '.',
      'a%2Fb',
      "'%20or%201=1--",
      '%F0%9F%98%80',
      '__proto__'
    ]
    const attacks: Attack[] = Object.entries(productApi.operations).flatMap(([operationId, { path, method }]) =>
      path.includes('{')
        ? ids.map(
            (id): Attack => [
              `${operationId} ${id}`,
              'invalid-request',
              () => send(method, path.replace(/\{\w+\}/, id), { 'idempotency-key': 'k' })
            ]
          )
        : []
    )
    assert.ok(attacks.length > 200)
    await assertRefused(attacks)
  })

  test('too long for an id is refused', async () => {
    const { send, assertRefused } = attacked
    await assertRefused([['long', 'uri-too-long', () => send('GET', `/v1/products/${'a'.repeat(201)}`)]])
  })

  test('answers the methods of its contract only, and says which those are', async () => {
    const { send, assertRefused } = attacked
    const operations = Object.values(productApi.operations)
    const methodsOf = (isOurs: (path: string) => boolean) =>
      operations.filter(({ path }) => isOurs(path)).flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    const allowed = (reply: Reply) => reply.headers.get('allow')?.split(', ').sort().join(', ')
    const attacks: Attack[] = []
    for (const template of new Set<string>(operations.map(({ path }) => path))) {
      const path = template.replace(/\{\w+\}/, '01990000-0000-7000-8000-000000000000')
      const allow = [...methodsOf(each => each === template), 'OPTIONS'].sort().join(', ')
      const options = await send('OPTIONS', path)
      assert.deepEqual([options.status, allowed(options)], [204, allow], path)
      // What another path takes for an id of its own is refused there.
      const elsewhere = methodsOf(each => new RegExp(`^${each.replace(/\{\w+\}/, '[^/]+')}$`).test(path))
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'GET'].filter(each => !elsewhere.includes(each))) {
        const refused = async () => {
          const reply = await send(method, path)
          assert.equal(allowed(reply), allow, path)
          return reply
        }
        attacks.push([`${method} ${path}`, 'method-not-allowed', refused])
      }
    }
    attacks.push(['QUERY', 'unsupported-media-type', () => send('QUERY', '/v1/products')])
    for (const method of ['PROPFIND', 'PURGE', 'LINK'])
      attacks.push([method, 'not-implemented', () => send(method, '/v1/products')])
    // What a caller wishes to have done is in the method, not in a header.
    attacks.push(['override', 'method-not-allowed', () => send('PUT', '/v1/products', { 'x-http-method-override': 'POST' })])
    await assertRefused(attacks)
  })

  test('answers HEAD as GET, without the body', async () => {
    const { service, productId, variantId } = attacked
    const ids: Record<string, string> = { productId, variantId }
    const templates = Object.values(productApi.operations).filter(({ method }) => method === 'GET')
    for (const { path } of templates) {
      const url = service.url + path.replace(/\{(\w+)\}/g, (_, name) => ids[name] ?? '01990000-0000-7000-8000-000000000000')
      const [get, head] = await Promise.all(
        ['GET', 'HEAD'].map(method => fetch(url, { method, headers: { authorization: 'Bearer anybody' } }))
      )
      const lasting = (response: Response) =>
        [...response.headers].filter(
          ([name]) => !['date', 'x-request-id', 'connection', 'keep-alive', 'transfer-encoding'].includes(name)
        )
      assert.equal(head!.status, get!.status, path)
      assert.deepEqual(lasting(head!), lasting(get!), path)
      assert.equal(await head!.text(), '')
      await get!.body?.cancel()
    }
  })
})

test('every problem has a page that says what it means', async () => {
  for (const [code, { status, title }] of Object.entries(problems)) {
    const reply = await attacked.send('GET', `/problems/${code}`)
    assert.deepEqual([reply.status, reply.body.code, reply.body.status, reply.body.title], [200, code, status, title])
  }
})
