import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startSealer } from '#platform/audit/audit-sealer.ts'
import { openLog } from '#platform/log.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openSigner } from '#platform/signing/signing.ts'
import { type RunningService, runService } from '../../../../test/support/service.ts'
import { eventually } from '../../../../test/support/world.ts'
import { productService } from '../service.ts'

let service: RunningService
const ids: string[] = []
before(async () => {
  service = await runService(productService)
  for (const name of ['=cmd()', '@two', 'three']) {
    const { body } = await service.request('POST', '/v1/categories', { name }, { authorization: 'Bearer ada' })
    ids.push(body.categoryId)
  }
  await service.request('PATCH', `/v1/categories/${ids[0]}`, { name: '+four' }, { authorization: 'Bearer bob' })
  await service.request('DELETE', `/v1/categories/${ids[1]}`, undefined, { authorization: 'Bearer =eve() catalog:read' })
  await eventually(
    () => list('?outcome=refused'),
    ({ data }) => data.length === 1
  )
  const log = openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })
  const sign = openSigner({ database: service.database, sealing: openSealing(undefined) })
  await using _ = startSealer({ service: 'product', database: service.database, sign, log, pollMs: 5 })
  await eventually(
    () => list(''),
    ({ data }) => data.length === 5 && data.every(({ position }: { position: number | null }) => position !== null)
  )
})
after(() => service[Symbol.asyncDispose]())

const list = async (query: string) => (await service.request('GET', `/v1/audit-records${query}`)).body
const operations = async (query: string) => {
  const { data } = await list(query)
  return data.map(({ operation, actor }: { operation: string; actor: { subject: string } }) => `${actor.subject} ${operation}`)
}

test('auditors find records by actor, operation, resource, outcome and time, the newest first', async () => {
  assert.deepEqual(await operations(''), [
    '=eve() deleteCategory',
    'bob updateCategory',
    'ada createCategory',
    'ada createCategory',
    'ada createCategory'
  ])
  assert.deepEqual(await operations('?actor=bob'), ['bob updateCategory'])
  assert.deepEqual(await operations(`?resourceType=category&resourceId=${ids[0]}`), ['bob updateCategory', 'ada createCategory'])
  assert.deepEqual(await operations('?operation=updateCategory'), ['bob updateCategory'])
  assert.deepEqual(await operations('?outcome=refused'), ['=eve() deleteCategory'])
  const { data } = await list('?actor=bob')
  assert.deepEqual(await operations(`?to=${data[0].at}`), ['ada createCategory', 'ada createCategory', 'ada createCategory'])
  assert.equal((await operations(`?from=${data[0].at}`)).length, 2)
  assert.deepEqual([data[0].before.name, data[0].after.name], ['=cmd()', '+four'])
})

test('pages follow one another without a gap, and a cursor is for its filters only', async () => {
  const first = await list('?limit=2&actor=ada')
  const second = await list(`?limit=2&actor=ada&cursor=${first.nextCursor}`)
  assert.deepEqual([first.data.length, second.data.length, second.nextCursor], [2, 1, null])
  const all = [...first.data, ...second.data].map(({ auditRecordId }: { auditRecordId: number }) => auditRecordId)
  assert.deepEqual(
    all,
    all.toSorted((a: number, b: number) => b - a)
  )
  const elsewhere = await service.request('GET', `/v1/audit-records?cursor=${first.nextCursor}`)
  assert.equal(elsewhere.body.code, 'invalid-cursor')
})

const taken = (path: string) => fetch(service.url + path, { headers: { authorization: 'Bearer anybody' } })

test('the chain is taken out in its order, as lines', async () => {
  const reply = await taken('/v1/exports/audit-records.ndjson')
  assert.equal(reply.headers.get('content-type'), 'application/x-ndjson; charset=utf-8')
  const records = (await reply.text())
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    records.map(({ position }) => position),
    [1, 2, 3, 4, 5]
  )
  assert.match(records[0].hash, /^[0-9a-f]{64}$/)
})

test('and as rows, of which no cell is run by a spreadsheet', async () => {
  const reply = await taken('/v1/exports/audit-records.csv')
  const rows = (await reply.text()).trimEnd().split('\r\n')
  assert.equal(rows.length, 6)
  assert.ok(rows[5]!.includes(",'=eve(),"))
  assert.match(rows[0]!, /^position,auditRecordId,at,operation,outcome,/)
  for (const cell of rows.flatMap(row => row.split(/,(?=")|,(?!")/))) assert.doesNotMatch(cell, /^"?[=+@-]/)
})

test('nobody else reads it: not without the scope', async () => {
  for (const path of ['/v1/audit-records', '/v1/exports/audit-records.ndjson', '/v1/exports/audit-records.csv']) {
    const { status, body } = await service.request('GET', path, undefined, {
      authorization: 'Bearer ada catalog:write operations:read'
    })
    assert.deepEqual([status, body.scope], [403, 'audit:read'])
  }
})
