/** Listings: cursors that nobody can make up, and walks that miss nothing. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Operation } from '#contracts/define.ts'
import { productApi } from '#contracts/http/product-api.ts'
import { productService } from '../src/services/product/service.ts'
import { assertProblem } from './support/problem.ts'
import { type RunningService, runService } from './support/service.ts'
import { validProductRequest } from './support/valid-requests.ts'

let service: RunningService
before(async () => {
  service = await runService(productService)
})
after(() => service[Symbol.asyncDispose]())

const get = (path: string) => service.request('GET', path)

test('a cursor is refused by every other listing, by other filters, and once a character of it is another', async () => {
  let params: Record<string, string> = {}
  for (let i = 0; i < 2; i++) params = (await validProductRequest(service, 'listProducts')).params!
  for (const amount of ['1', '2'])
    await service.request('PUT', `/v1/variants/${params.variantId}/prices`, { prices: [{ amount, currency: 'EUR' }] })
  const listed = ['3', '4'].map((amount, index) => ({
    variantId: params.variantId,
    amount,
    currency: 'EUR',
    minQuantity: 100 + index
  }))
  await service.request('PUT', `/v1/price-lists/${params.priceListId}/prices`, { prices: listed })
  const listings = Object.values<Operation>(productApi.operations)
    .filter(({ query }) => query && 'cursor' in query.properties)
    .map(({ path }) => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name]!))
  const cursors = new Map<string, string>()
  for (const path of listings) cursors.set(path, (await get(`${path}?limit=1`)).body.nextCursor)
  assert.ok(listings.length >= 7 && !cursors.values().some(cursor => cursor === null), JSON.stringify([...cursors]))

  for (const [path, cursor] of cursors) {
    assert.equal((await get(`${path}?limit=2&cursor=${cursor}`)).status, 200)
    for (const other of listings.filter(each => each !== path))
      assertProblem(await get(`${other}?cursor=${cursor}`), 'invalid-cursor')
    for (let at = 0; at < cursor.length; at += 5) {
      const tampered = cursor.slice(0, at) + (cursor[at] === 'A' ? 'B' : 'A') + cursor.slice(at + 1)
      assertProblem(await get(`${path}?cursor=${tampered}`), 'invalid-cursor')
    }
    for (const tampered of [`${cursor}A`, cursor.slice(0, -1), cursor.slice(1), `${cursor}%3D`, `${cursor}%00`])
      assertProblem(await get(`${path}?cursor=${tampered}`), 'invalid-cursor')
  }
  const products = cursors.get('/v1/products')!
  for (const filter of ['status=active', 'sku=x', 'slug=thing', 'sort=title', 'sort=-createdAt', 'currency=EUR'])
    assertProblem(await get(`/v1/products?${filter}&cursor=${products}`), 'invalid-cursor')
})

test('a walk over all pages sees what was there all the time, each once, while others are added', async () => {
  const create = async () =>
    (await service.request('POST', '/v1/products', { title: 'Walked', externalId: randomUUID() })).body.productId as string
  const there = new Set<string>()
  for (let i = 0; i < 80; i++) there.add(await create())

  let walking = true
  const added = new Set<string>()
  const writers = Array.from({ length: 4 }, async () => {
    while (walking) added.add(await create())
  })
  const seen: string[] = []
  let path: string | null = '/v1/products?limit=3'
  while (path) {
    const { body }: { body: { data: { productId: string }[]; nextCursor: string | null } } = await get(path)
    seen.push(...body.data.map(({ productId }) => productId))
    // The size of a page may change on the way.
    path = body.nextCursor && `/v1/products?limit=${2 + (seen.length % 5)}&cursor=${body.nextCursor}`
    if (seen.length > there.size) walking = false
  }
  await Promise.all(writers)
  assert.equal(new Set(seen).size, seen.length)
  assert.deepEqual(
    [...there].filter(productId => !seen.includes(productId)),
    []
  )
  assert.ok(added.size > 0)
})

type Listed = { data: Product[]; nextCursor: string | null }
type Product = { productId: string; title: string; version: number; variants: { variantId: string; prices: unknown[] }[] }

const list = async (query: string, after: string | null = null): Promise<Listed> => {
  const { status, body } = await get(`/v1/products?${query}${after === null ? '' : `&cursor=${after}`}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body
}
const send = async (method: string, path: string, body?: unknown) => {
  const reply = await service.request(method, path, body)
  assert.ok(reply.status < 300, `${method} ${path}: ${JSON.stringify(reply.body)}`)
  return reply.body
}
const priced = (amount: string) => [{ amount, currency: 'EUR' }]
const create = (title: string, amount: string): Promise<Product> =>
  send('POST', '/v1/products', { title, externalId: randomUUID(), variants: [{ sku: randomUUID(), prices: priced(amount) }] })

test('a walk in any order sees each product whose place did not change exactly once, while ten writers insert, reprice and delete', async () => {
  // What stays where it is: some in no order by price, and some that are repriced where that moves nothing.
  const steady = await Promise.all(Array.from({ length: 60 }, (_, i) => create(`Steady ${i % 7}`, `${10 + (i % 5)}`)))
  const unpriced = await Promise.all(
    [0, 1, 2, 3].map(() => send('POST', '/v1/products', { title: 'Steady', externalId: randomUUID() }))
  )
  const moving = await Promise.all(Array.from({ length: 20 }, (_, i) => create(`Moving ${i}`, '10')))
  const orders: [sort: string, standing: Product[]][] = [
    ...['createdAt', '-createdAt', 'title', '-title'].map((sort): [string, Product[]] => [
      sort,
      [...steady, ...unpriced, ...moving]
    ]),
    ...['updatedAt', '-updatedAt', 'price', '-price'].map((sort): [string, Product[]] => [sort, [...steady, ...unpriced]])
  ]

  let walking = orders.length
  let written = 0
  const writers = Array.from({ length: 10 }, async (_, writer) => {
    for (let round = writer; walking > 0; round++) {
      const { productId, variants } = await create(`Steady ${round % 9}`, String(5 + (round % 11)))
      await send('PUT', `/v1/variants/${variants[0]!.variantId}/prices`, { prices: priced(String(20 - (round % 11))) })
      const other = moving[round % moving.length]!.variants[0]!
      await send('PUT', `/v1/variants/${other.variantId}/prices`, { prices: round % 3 === 0 ? [] : priced(`${round % 29}`) })
      await send('DELETE', `/v1/products/${productId}`)
      written++
    }
  })
  async function walk(sort: string): Promise<Map<string, number>> {
    const seen = new Map<string, number>()
    let cursor: string | null = null
    do {
      const page = await list(`sort=${sort}&currency=EUR&limit=${3 + (seen.size % 5)}`, cursor)
      for (const { productId } of page.data) seen.set(productId, (seen.get(productId) ?? 0) + 1)
      cursor = page.nextCursor
    } while (cursor !== null)
    walking--
    return seen
  }
  const walks = await Promise.all(orders.map(([sort]) => walk(sort)))
  await Promise.all(writers)
  for (const [index, [sort, standing]] of orders.entries()) {
    const times = standing.map(({ productId }) => walks[index]!.get(productId))
    assert.deepEqual(
      times,
      standing.map(() => 1),
      sort
    )
  }
  assert.ok(written >= 10, `${written} rounds`)
})

test('whoever was answered sees what was written in the next listing, while others read and write the same', async () => {
  let working = true
  const { categoryId } = await send('POST', '/v1/categories', { name: 'Fresh' })
  const { categoryId: top } = await send('POST', '/v1/categories', { name: 'Top' })
  const latest = 'sort=-updatedAt&limit=100'
  // What is asked for all the time is what may be kept.
  const readers = [
    latest,
    'limit=100&sort=-createdAt',
    `categoryId=${categoryId}&limit=100`,
    `categoryId=${top}`,
    'inStock=true&limit=100'
  ].map(async query => {
    while (working) await list(query)
  })
  const found = async (query: string, productId: string) =>
    (await list(query)).data.find(product => product.productId === productId)
  let checked = 0
  const writers = Array.from({ length: 6 }, async () => {
    for (let round = 0; round < 15; round++) {
      const sku = randomUUID()
      const { productId, variants, version } = await send('POST', '/v1/products', {
        title: 'Fresh',
        externalId: randomUUID(),
        categoryIds: [categoryId],
        variants: [{ sku, prices: priced('3') }]
      })
      const seen = [latest, `sku=${sku}`, `ids=${productId}`, `categoryId=${categoryId}&limit=100&sort=-createdAt`]
      for (const query of seen) assert.equal((await found(query, productId))?.version, version, query)
      await send('PATCH', `/v1/products/${productId}`, { title: `Fresher ${round}` })
      assert.equal((await found(latest, productId))?.title, `Fresher ${round}`)
      await send('PUT', `/v1/variants/${variants[0].variantId}/prices`, { prices: priced('4') })
      assert.deepEqual((await found(`ids=${productId}&minPrice=4&currency=EUR`, productId))?.variants[0]?.prices, [
        { amount: '4.00', currency: 'EUR' }
      ])
      const items = [{ variantId: variants[0].variantId, delta: 1, reason: 'found' }]
      assert.equal(await found(`ids=${productId}&inStock=true`, productId), undefined)
      await service.request('POST', '/v1/inventory/adjustments', { items }, { 'idempotency-key': randomUUID() })
      assert.ok(await found(`ids=${productId}&inStock=true`, productId))
      await send('DELETE', `/v1/products/${productId}`)
      assert.equal(await found(latest, productId), undefined)
      checked++
    }
  })
  await Promise.all(writers).finally(() => {
    working = false
  })
  await Promise.all(readers)
  assert.equal(checked, 90)

  // A category that is moved takes its products with it, though none of them changes.
  const { productId } = await send('POST', '/v1/products', { title: 'Moved', categoryIds: [categoryId] })
  assert.equal(await found(`categoryId=${top}`, productId), undefined)
  await send('PATCH', `/v1/categories/${categoryId}`, { parentId: top })
  assert.ok(await found(`categoryId=${top}`, productId))
})

test('a listing is asked for in the words of its contract: whatever else is told all at once, each with its place', async () => {
  const refused = async (query: string, pointers: string[]) => {
    const reply = await get(`/v1/products?${query}`)
    assertProblem(reply, 'invalid-request')
    assert.deepEqual([...new Set(reply.body.errors.map((error: { pointer: string }) => error.pointer))].sort(), pointers, query)
  }
  const id = '01990000-0000-7000-8000-000000000000'
  const cases: [string, string[]][] = [
    ['colour=red&Status=active&attribute.material=mesh', ['#/query/Status', '#/query/attribute.material', '#/query/colour']],
    ['status=sold&sort=name&limit=0&inStock=yes', ['#/query/inStock', '#/query/limit', '#/query/sort', '#/query/status/0']],
    ['status=active,sold,draft', ['#/query/status/1']],
    [`ids=${id},x`, ['#/query/ids/1']],
    ['ids=', ['#/query/ids/0']],
    [`ids=${Array(101).fill(id)}`, ['#/query/ids']],
    [`skus=${Array(101).fill('a')}`, ['#/query/skus']],
    ['skus=a,,b', ['#/query/skus/1']],
    ['sku=a&sku=b&slug=a&slug=b', ['#/query/sku', '#/query/slug']],
    ['brand=', ['#/query/brand/0']],
    ['attribute=mesh&attribute==x&attribute=1a=x', ['#/query/attribute/0', '#/query/attribute/1', '#/query/attribute/2']],
    ['sort=price&fields=title', ['#/query/currency']],
    ['minPrice=1&maxPrice=2', ['#/query/currency', '#/query/currency']],
    ['minPrice=1,50&maxPrice=-2&currency=EUR', ['#/query/maxPrice', '#/query/minPrice']],
    ['minPrice=1.505&currency=EUR', ['#/query/minPrice']],
    ['maxPrice=1.5&currency=JPY', ['#/query/maxPrice']],
    ['maxPrice=1&currency=XXX', ['#/query/currency']],
    ['fields=title,price,__proto__', ['#/query/fields/1', '#/query/fields/2']],
    ['updatedSince=yesterday', ['#/query/updatedSince']],
    ...[
      '2026-02-30T00:00:00Z',
      '0000-01-01T00:00:00Z',
      '2026-01-01',
      '2026-01-01T00:00:60Z',
      '2026-01-01T00:00:00',
      '99999-01-01T00:00:00Z'
    ].map((time): [string, string[]] => [`updatedSince=${time}`, ['#/query/updatedSince']])
  ]
  for (const [query, pointers] of cases) await refused(query, [...new Set(pointers)])
  const { body } = await get('/v1/products?status=active,sold&sort=name&fields=price')
  assert.deepEqual(
    body.errors.map(({ detail }: { detail: string }) => detail.split(',')[0]),
    ['must be one of draft', 'must be one of createdAt', 'must be one of productId']
  )
  const accepted = [
    'updatedSince=2026-01-01T00:00:00%2B01:00',
    'updatedSince=1970-01-01T00:00:00%2B23:59',
    'updatedSince=9999-12-31T23:59:59.999Z',
    'minPrice=1.5&maxPrice=1.505&currency=BHD&sort=-price',
    'attribute=a%3Db&attribute=a=%F0%9F%98%80&attribute=n=1e%2B21&attribute=x=%22%5D%7D',
    'skus=%2C'.replace('%2C', 'a%2Cb'),
    `status=draft,active&status=archived&fields=title&fields=slug&ids=${id}&ids=${id}`
  ]
  for (const query of accepted) await list(query)
})
