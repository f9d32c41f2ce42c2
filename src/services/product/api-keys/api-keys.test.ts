import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { assertProblem } from '../../../../test/support/problem.ts'
import { type RunningService, runService } from '../../../../test/support/service.ts'
import { productService } from '../service.ts'

let service: RunningService
before(async () => {
  service = await runService(productService)
})
after(() => service[Symbol.asyncDispose]())

const body = { name: 'Partner', scopes: ['catalog:read'] }
const secretOf = (key: string) => key.split('_')[3]!.slice(0, 32)

/** Every row of every table of the service, as text. */
async function dump(): Promise<string> {
  const tables = await service.database.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = $1 and table_type = 'BASE TABLE'`,
    [service.database.schema]
  )
  const rows = await Promise.all(
    tables.map(({ name }) => service.database.query<{ row: string }>(`select t::text as row from ${name} t`))
  )
  return rows
    .flat()
    .map(({ row }) => row)
    .join('\n')
}

test('the database has no secret of any key, in whatever form, and what it keeps of a reply has none either', async () => {
  const headers = { 'idempotency-key': randomUUID() }
  const created = await service.request('POST', '/v1/api-keys', body, headers)
  const path = created.headers.get('location')!
  const rotated = await service.request('POST', `${path}/rotate`, {}, { 'idempotency-key': randomUUID() })
  const keyless = await service.request('POST', '/v1/api-keys', body)
  assert.deepEqual([created.status, rotated.status, keyless.status], [201, 200, 201])

  const kept = await dump()
  for (const { key } of [created.body, rotated.body, keyless.body]) {
    const secret = secretOf(key)
    const forms = [secret, ...(['hex', 'base64', 'base64url'] as const).map(form => Buffer.from(secret).toString(form))]
    for (const form of forms) assert.ok(!kept.includes(form), 'a secret is in the database')
    assert.ok(kept.includes(createHash('sha256').update(secret).digest('hex')), 'the dump does not show what is kept')
  }
  assert.ok(kept.includes(headers['idempotency-key']), 'the dump does not show idempotency records')
})

test('a creation that is asked for again is answered with the same key’s id, and the key no longer', async () => {
  const headers = { 'idempotency-key': randomUUID() }
  const first = await service.request('POST', '/v1/api-keys', body, headers)
  const again = await service.request('POST', '/v1/api-keys', body, headers)
  assert.match(first.body.key, /^psk_test_/)
  assert.deepEqual([again.status, again.body], [201, { ...first.body, key: null }])
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  const { key: _, ...shown } = first.body
  assert.deepEqual((await service.request('GET', first.headers.get('location')!)).body, shown)
})

test('whoever may read keys may not change them, and who may do neither is told which scope it takes', async () => {
  const { body: made } = await service.request('POST', '/v1/api-keys', body)
  const path = `/v1/api-keys/${made.apiKeyId}`
  const reader = { authorization: 'Bearer ada api-keys:read' }
  assert.equal((await service.request('GET', path, undefined, reader)).status, 200)
  assertProblem(await service.request('DELETE', path, undefined, reader), 'insufficient-scope')
  assertProblem(await service.request('POST', `${path}/rotate`, {}, reader), 'insufficient-scope')
  const writer = { authorization: 'Bearer ada api-keys:write catalog:read' }
  assertProblem(await service.request('POST', '/v1/api-keys', { ...body, scopes: ['prices:write'] }, writer), 'insufficient-scope')
  const introspection = { apiKeyId: made.apiKeyId, digest: 'A'.repeat(43) }
  assertProblem(await service.request('POST', '/v1/api-keys/introspection', introspection, writer), 'insufficient-scope')
})

test('no key is given out that could give out keys', async () => {
  for (const scope of ['api-keys:read', 'api-keys:write', 'api-keys:introspect', 'everything'])
    assertProblem(await service.request('POST', '/v1/api-keys', { ...body, scopes: [scope] }), 'invalid-request')
})
