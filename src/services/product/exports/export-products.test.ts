import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RunningService, runService } from '../../../../test/support/service.ts'
import { eventually } from '../../../../test/support/world.ts'
import { productService } from '../service.ts'
import { SNAPSHOTS_MAX } from './catalog-snapshot.ts'

let service: RunningService
before(async () => {
  service = await runService(productService)
  for (const name of ['Boot', 'Shoe']) {
    const variants = [{ sku: name, prices: [{ amount: '1.50', currency: 'EUR' }] }]
    await service.request('POST', '/v1/products', { title: name, status: 'active', variants })
  }
})
after(() => service[Symbol.asyncDispose]())

const get = (path: string, more: RequestInit = {}) =>
  fetch(service.url + path, { headers: { authorization: 'Bearer anybody' }, ...more })

test('the catalog is taken out as a file, with the position to read events from', async () => {
  const ndjson = await get('/v1/exports/products.ndjson')
  const lines = (await ndjson.text()).trimEnd().split('\n')
  assert.deepEqual([ndjson.status, ndjson.headers.get('content-type')], [200, 'application/x-ndjson; charset=utf-8'])
  assert.equal(ndjson.headers.get('content-disposition'), 'attachment; filename="products.ndjson"')
  assert.equal(ndjson.headers.get('event-position'), '0')
  const { body } = await service.request('GET', '/v1/products')
  assert.deepEqual(
    lines.map(line => JSON.parse(line).title),
    body.data.map(({ title }: { title: string }) => title)
  )

  const csv = await get('/v1/exports/products.csv')
  const rows = (await csv.text()).trimEnd().split('\r\n')
  assert.deepEqual([csv.status, csv.headers.get('content-type')], [200, 'text/csv; charset=utf-8'])
  assert.equal(csv.headers.get('content-disposition'), 'attachment; filename="products.csv"')
  assert.match(rows[0]!, /^Title,URL handle,.*,Price \/ EUR,/)
  assert.equal(rows.length, 3)
})

test('whoever may not read the catalog may not take it out', async () => {
  const refused = await get('/v1/exports/products.csv', { headers: { authorization: 'Bearer anybody inventory:read' } })
  assert.equal(refused.status, 403)
})

test('requests that read nothing of it keep nobody else from it', async () => {
  for (let count = 0; count <= SNAPSHOTS_MAX; count++) {
    const head = await get('/v1/exports/products.csv', { method: 'HEAD' })
    assert.equal(head.status, 200)
  }
  const given = await Promise.all(
    Array.from({ length: SNAPSHOTS_MAX }, async () => {
      const leaving = new AbortController()
      await get('/v1/exports/products.ndjson', { signal: leaving.signal })
      leaving.abort()
    })
  )
  assert.equal(given.length, SNAPSHOTS_MAX)
  const opened = await eventually(
    () => get('/v1/exports/products.ndjson'),
    ({ status }) => status === 200
  )
  await opened.text()
})
