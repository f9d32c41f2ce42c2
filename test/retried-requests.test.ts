/** A request with an Idempotency-Key may be sent as often as somebody likes: it takes effect once, and is answered the same. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Operation } from '#contracts/define.ts'
import { productApi } from '#contracts/http/product-api.ts'
import { productService } from '../src/services/product/service.ts'
import { hold, untilWaiting } from './support/held.ts'
import { assertProblem } from './support/problem.ts'
import { type Reply, type RunningService, runService } from './support/service.ts'
import { unchanged } from './support/unchanged.ts'
import { validProductRequest } from './support/valid-requests.ts'

let service: RunningService
before(async () => {
  service = await runService(productService)
})
after(() => service[Symbol.asyncDispose]())

const operations = Object.entries<Operation>(productApi.operations).filter(
  // What is only asked, and what has transactions of its own, has nothing to remember.
  ([name, { method }]) =>
    method !== 'GET' && !['checkAvailability', 'introspectApiKey', 'replayDeadLetter', 'replayDeadLetters'].includes(name)
)
const pathOf = ({ path }: Operation, params: Record<string, string> = {}) => path.replace(/\{(\w+)\}/g, (_, name) => params[name]!)
const ask = (method: string, path: string, body: unknown, headers: Record<string, string>) =>
  service.request(method, path, body, headers)
const createCategory = (body: unknown, key: string, more: Record<string, string> = {}) =>
  ask('POST', '/v1/categories', body, { 'idempotency-key': key, ...more })
const categoriesNamed = (name: string) => service.database.query('select 1 from categories where name = $1', [name])

function assertReplayed(again: Reply, first: Reply, shownOnce: readonly string[] = []): void {
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  assert.equal(first.headers.get('idempotency-replayed'), null)
  for (const name of shownOnce) assert.equal(typeof first.body[name], 'string')
  const kept = shownOnce.length > 0 ? { ...first.body, ...Object.fromEntries(shownOnce.map(name => [name, null])) } : first.body
  assert.deepEqual([again.status, again.body], [first.status, kept])
  for (const name of ['location', 'etag', 'content-type', 'cache-control'])
    assert.equal(again.headers.get(name), first.headers.get(name))
}

describe('the same request again', () => {
  for (const [operationId, operation] of operations) {
    test(`changes nothing more and is answered the same: ${operationId}`, async () => {
      const { params, body, mediaType } = await validProductRequest(service, operationId)
      const path = pathOf(operation, params)
      const type = mediaType ? { 'content-type': mediaType } : {}
      const headers = { 'idempotency-key': randomUUID(), ...type }
      const first = await ask(operation.method, path, body, headers)
      assert.ok(first.status === operation.reply.status || first.status === 409, JSON.stringify(first.body))
      await unchanged(service.database, async () =>
        assertReplayed(await ask(operation.method, path, body, headers), first, operation.shownOnce)
      )
      const quoted = { ...headers, 'idempotency-key': `"${headers['idempotency-key']}"` }
      assertReplayed(await ask(operation.method, path, body, quoted), first, operation.shownOnce)
    })
  }

  test('is the same whatever the order of its names and the white space of its body', async () => {
    const first = await createCategory('{"name":"Order","description":"d"}', 'order')
    assertReplayed(await createCategory(' {\n"description" : "d",\t"name":"Order" } ', 'order'), first)
  })

  test('is another one with another body, path or precondition, and then changes nothing', async () => {
    const first = await createCategory({ name: 'Mine' }, 'mismatch', { 'if-match': '"1"' })
    assert.equal(first.status, 201)
    await unchanged(service.database, async () => {
      const others = [
        () => createCategory({ name: 'Mine', description: '' }, 'mismatch', { 'if-match': '"1"' }),
        () => createCategory({ name: 'Mine' }, 'mismatch'),
        () => createCategory({ name: 'Mine' }, 'mismatch', { 'if-match': '"2"' }),
        () => ask('PATCH', first.headers.get('location')!, { name: 'Mine' }, { 'idempotency-key': 'mismatch', 'if-match': '"1"' }),
        () => ask('DELETE', first.headers.get('location')!, undefined, { 'idempotency-key': 'mismatch' })
      ]
      for (const other of others) assertProblem(await other(), 'idempotency-key-reused')
    })
  })

  test('of somebody else is a request of its own', async () => {
    const by = (name: string) => createCategory({ name: 'Shared' }, 'guessed', { authorization: `Bearer ${name}` })
    const [alice, bob] = [await by('alice'), await by('bob')]
    assert.deepEqual([alice.status, bob.status, bob.headers.get('idempotency-replayed')], [201, 201, null])
    assert.notEqual(alice.body.categoryId, bob.body.categoryId)
    assertReplayed(await by('alice'), alice)
    assert.equal((await createCategory({ name: 'Other' }, 'guessed', { authorization: 'Bearer carol' })).status, 201)
  })

  test('needs the same rights as the first', async () => {
    const by = (authorization: string) => createCategory({ name: 'Rights' }, 'rights', { authorization })
    const first = await by('Bearer dave catalog:write')
    assertProblem(await by('Bearer dave catalog:read'), 'insufficient-scope')
    assertProblem(await by(''), 'unauthenticated')
    assertReplayed(await by('Bearer dave catalog:write'), first)
  })
})

describe('a refusal', () => {
  test('by the state of things is answered the same, even when the state is another by then', async () => {
    const sku = randomUUID()
    const taken = (await ask('POST', '/v1/products', { title: 'x', variants: [{ sku }] }, {})).body
    const create = () => ask('POST', '/v1/products', { title: 'y', variants: [{ sku }] }, { 'idempotency-key': sku })
    const first = await create()
    assertProblem(first, 'sku-taken')
    assert.equal((await ask('DELETE', `/v1/products/${taken.productId}`, undefined, {})).status, 204)
    assertReplayed(await create(), first)
  })

  test('of a batched request by the state of things is answered the same', async () => {
    const { body } = await validProductRequest(service, 'createReservation')
    const [{ variantId }] = (body as { items: [{ variantId: string }] }).items
    const reserve = () =>
      ask(
        'POST',
        '/v1/reservations',
        { orderId: 'too-much', items: [{ variantId, quantity: 2_000_000_000 }] },
        { 'idempotency-key': 'too-much' }
      )
    const first = await reserve()
    assertProblem(first, 'insufficient-stock')
    assert.deepEqual(first.body.shortages, [{ variantId, requested: 2_000_000_000, available: 1_000_000 - 1 }])
    assertReplayed(await reserve(), first)
  })

  test('of what can be put right is not remembered: the key is as good as new', async () => {
    const key = { 'idempotency-key': 'again' }
    const { body: category } = await createCategory({ name: 'Again' }, randomUUID())
    const path = `/v1/categories/${category.categoryId}`
    const refusals: [string, () => Promise<Reply>][] = [
      ['invalid-request', () => ask('PATCH', path, { name: 7 }, key)],
      ['invalid-json', () => ask('PATCH', path, '{', key)],
      ['unsupported-media-type', () => ask('PATCH', path, '{}', { ...key, 'content-type': 'text/plain' })],
      ['not-acceptable', () => ask('PATCH', path, {}, { ...key, accept: 'text/html' })],
      ['unauthenticated', () => ask('PATCH', path, {}, { ...key, authorization: '' })],
      ['insufficient-scope', () => ask('PATCH', path, {}, { ...key, authorization: 'Bearer anybody catalog:read' })],
      ['not-found', () => ask('PATCH', '/v1/categories/01990000-0000-7000-8000-000000000000', { name: 'x' }, key)],
      ['precondition-failed', () => ask('PATCH', path, { name: 'x' }, { ...key, 'if-match': '"7"' })]
    ]
    for (const [code, refused] of refusals) assertProblem(await refused(), code as 'not-found')
    const done = await ask('PATCH', path, { name: 'Yet again' }, key)
    assert.deepEqual([done.status, done.body.name, done.headers.get('idempotency-replayed')], [200, 'Yet again', null])
  })

  test('of a key that is none, or is missing where it is needed, comes before anything is done', async () => {
    await unchanged(service.database, async () => {
      for (const key of ['', '""', 'a b', '"a', 'a"b', '"a";x=1', 'x'.repeat(256), 'é'])
        assertProblem(await createCategory({ name: 'No key' }, key), 'invalid-request')
    })
    const required = operations.filter(([, { idempotency }]) => idempotency === 'required')
    assert.deepEqual(required.map(([name]) => name).sort(), [
      'commitReservation',
      'createAdjustments',
      'createReservation',
      'releaseReservation'
    ])
    for (const [operationId, operation] of required) {
      const { params, body } = await validProductRequest(service, operationId)
      await unchanged(service.database, async () => {
        assertProblem(await ask(operation.method, pathOf(operation, params), body, {}), 'idempotency-key-required')
      })
    }
  })
})

describe('the same request at the same time', () => {
  test('takes effect once; whoever is not answered the same is told to come again', async () => {
    for (let round = 0; round < 10; round++) {
      const create = () => createCategory({ name: `Race ${round}` }, `race-${round}`)
      const replies = await Promise.all(Array.from({ length: 12 }, create))
      const last = await create()
      assert.equal(last.headers.get('idempotency-replayed'), 'true')
      for (const reply of replies) {
        if (reply.status === 409) assertProblem(reply, 'idempotency-in-flight')
        else assert.deepEqual([reply.status, reply.body], [201, last.body])
      }
      const fresh = replies.filter(({ status, headers }) => status === 201 && !headers.get('idempotency-replayed'))
      assert.equal(fresh.length, 1)
      assert.equal((await categoriesNamed(`Race ${round}`)).length, 1)
    }
  })

  test('is told to come again while the first is under way, and then gets the answer of the first', async () => {
    const { params, body } = await validProductRequest(service, 'updateProduct')
    const path = `/v1/products/${params!.productId}`
    const change = () => ask('PATCH', path, body, { 'idempotency-key': 'slow' })
    const row = await hold(service.database, 'select 1 from products where product_id = $1 for update', [params!.productId])
    const first = change()
    await untilWaiting(service.database, 1)
    const second = await change()
    assertProblem(second, 'idempotency-in-flight')
    assert.equal(second.headers.get('retry-after'), '1')
    await row.release()
    const done = await first
    assertReplayed(await change(), done)
  })

  test('takes effect once in a batch too, and another one with its key is refused', async () => {
    const { params, body } = await validProductRequest(service, 'createReservation')
    const reserve = (orderId: string, key: string, quantity = 1) =>
      ask('POST', '/v1/reservations', { orderId, items: [{ variantId: params!.variantId, quantity }] }, { 'idempotency-key': key })
    assert.ok(body)
    const reserved = async () => (await ask('GET', `/v1/inventory/${params!.variantId}`, undefined, {})).body.reserved as number
    const before = await reserved()
    const replies = await Promise.all([
      ...Array.from({ length: 10 }, () => reserve('batched', 'batched', 3)),
      ...Array.from({ length: 10 }, (_, i) => reserve(`alone-${i}`, `alone-${i}`, 1)),
      reserve('another', 'batched', 3)
    ])
    const same = replies.slice(0, 10)
    const fresh = same.filter(({ headers }) => !headers.get('idempotency-replayed'))
    assert.equal(fresh.length, 1)
    for (const reply of same) assert.deepEqual([reply.status, reply.body], [201, fresh[0]!.body])
    assert.deepEqual(
      replies.slice(10, 20).map(({ status }) => status),
      Array(10).fill(201)
    )
    assertProblem(replies[20]!, 'idempotency-key-reused')
    assert.equal((await reserved()) - before, 3 + 10)
  })
})

describe('a reply that got lost', () => {
  const bytesOf = (name: string, key: string) => {
    const body = JSON.stringify({ name })
    const head = 'POST /v1/categories HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer anybody\r\nContent-Type: application/json\r\n'
    return `${head}Idempotency-Key: ${key}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  }
  const send = async (bytes: string) => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await new Promise<void>(resolve => socket.write(bytes, () => resolve()))
    return socket
  }

  test('after the commit is given again', async () => {
    const socket = await send(bytesOf('Lost', 'lost'))
    while ((await categoriesNamed('Lost')).length === 0) await new Promise(setImmediate)
    socket.destroy()
    const again = await createCategory({ name: 'Lost' }, 'lost')
    assert.deepEqual([again.status, again.headers.get('idempotency-replayed'), again.body.name], [201, 'true', 'Lost'])
    assert.equal((await categoriesNamed('Lost')).length, 1)
  })

  test('at any moment means one effect, once somebody asks until there is an answer', async () => {
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const socket = await send(bytesOf(`Cut ${i}`, `cut-${i}`))
        for (let turn = 0; turn < i * 3; turn++) await new Promise(setImmediate)
        socket.destroy()
        let reply: Reply
        do reply = await createCategory({ name: `Cut ${i}` }, `cut-${i}`)
        while (reply.status === 409)
        assert.equal(reply.status, 201)
        assert.equal((await categoriesNamed(`Cut ${i}`)).length, 1)
      })
    )
  })

  test('because the database went away in the middle is no reply: the request can be made again', async () => {
    const { params } = await validProductRequest(service, 'updateProduct')
    const change = () => ask('PATCH', `/v1/products/${params!.productId}`, { title: 'Once' }, { 'idempotency-key': 'outage' })
    const row = await hold(service.database, 'select 1 from products where product_id = $1 for update', [params!.productId])
    const cut = change()
    const [pid] = await untilWaiting(service.database, 1)
    await service.database.query('select pg_terminate_backend($1)', [pid])
    assertProblem(await cut, 'unavailable')
    await row.release()
    const done = await change()
    assert.deepEqual([done.status, done.body.title, done.headers.get('idempotency-replayed')], [200, 'Once', null])
  })
})
