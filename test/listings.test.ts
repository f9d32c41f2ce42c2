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
  let variantId = ''
  for (let i = 0; i < 2; i++) variantId = (await validProductRequest(service, 'listProducts')).params!.variantId!
  for (const amount of ['1', '2'])
    await service.request('PUT', `/v1/variants/${variantId}/prices`, { prices: [{ amount, currency: 'EUR' }] })
  const listings = Object.values<Operation>(productApi.operations)
    .filter(({ query }) => query && 'cursor' in query.properties)
    .map(({ path }) => path.replace('{variantId}', variantId))
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
  for (const filter of ['status=active', 'sku=x', 'slug=thing'])
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
