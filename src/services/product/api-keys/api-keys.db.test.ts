import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { IssuedApiKey } from '#contracts/resources/api-key.ts'
import type { Actor } from '#platform/identity/actor.ts'
import { type PresentedKey, readApiKey as readKey } from '#platform/identity/api-key.ts'
import { hold } from '../../../../test/support/held.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createApiKey } from './create-api-key.ts'
import { deleteApiKey } from './delete-api-key.ts'
import { deleteApiKeySecret } from './delete-api-key-secret.ts'
import { getApiKey } from './get-api-key.ts'
import { goodSecrets, lookUpApiKey } from './introspect-api-key.ts'
import { listApiKeys } from './list-api-keys.ts'
import { rotateApiKey } from './rotate-api-key.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())

type Scopes = Parameters<typeof createApiKey>[1]['body']['scopes']
const scopes: Scopes = ['catalog:read', 'inventory:read']
const as = (...names: string[]): Actor => ({ issuer: 'test', subject: 'ada', clientId: 'admin', scopes: new Set(names) })
const ada = as(...scopes, 'api-keys:write')
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()

const create = (more: Partial<Parameters<typeof createApiKey>[1]['body']> = {}, actor = ada) =>
  db.write(createApiKey, { body: { name: 'Partner', scopes, ...more }, actor })
const rotate = ({ apiKeyId }: { apiKeyId: string }, body: { previousEndsAt?: string } = {}, actor = ada) =>
  db.write(rotateApiKey, { params: { apiKeyId }, body, actor })
const get = ({ apiKeyId }: { apiKeyId: string }) => db.read(getApiKey, { params: { apiKeyId } })
const presented = ({ key }: IssuedApiKey): PresentedKey => readKey(key!, 'dev')!
const lookUp = (issued: IssuedApiKey) => lookUpApiKey(db.database)(presented(issued))
const isActive = async (issued: IssuedApiKey) => (await lookUp(issued)).active

describe('a key that is given out', () => {
  test('allows what it says, from where it says and until when it says', async () => {
    const expiresAt = inMs(60_000)
    const issued = await create({ networks: ['203.0.113.0/24'], expiresAt })
    assert.deepEqual(await lookUp(issued), { active: true, scopes, networks: ['203.0.113.0/24'], expiresAt })
    const { key, ...shown } = issued
    assert.match(key!, /^psk_dev_/)
    assert.deepEqual([shown.createdBy, shown.version, shown.lastUsedAt, shown.secrets.length], ['ada', 1, null, 1])
    const { lastUsedAt, ...again } = await get(issued)
    assert.deepEqual({ ...again, lastUsedAt: null }, shown)
    assert.ok(Date.parse(lastUsedAt!) <= Date.now())
  })

  test('allows nothing with another secret, and nor does one that never was', async () => {
    const [one, other] = [await create(), await create()]
    const inactive = { active: false, scopes: [], networks: [], expiresAt: null }
    const mixed = { ...presented(one), digest: presented(other).digest }
    assert.deepEqual(await lookUpApiKey(db.database)(mixed), inactive)
    const unknown = { ...presented(one), apiKeyId: '01990000-0000-7000-8000-000000000000' }
    assert.deepEqual(await lookUpApiKey(db.database)(unknown), inactive)
  })

  test('allows no more than whoever gave it out', async () => {
    await assert.rejects(create({}, as('catalog:read', 'api-keys:write')), {
      code: 'insufficient-scope',
      extensions: { scope: 'inventory:read' }
    })
    await create({ scopes: ['catalog:read'] }, as('catalog:read', 'api-keys:write'))
  })

  test('is refused with a network that is none and a time that is past, each at its place', async () => {
    const wrong = { networks: ['203.0.113.0/24', '1:2:3:4:5:6:7:8:9::/8'], expiresAt: inMs(-1) }
    await assert.rejects(create(wrong), ({ code, extensions }) => {
      const pointers = extensions.errors.map(({ pointer }: { pointer: string }) => pointer)
      assert.deepEqual([code, pointers], ['invalid-request', ['#/networks/1', '#/expiresAt']])
      return true
    })
  })

  test('is listed without its secrets, oldest first', async () => {
    const made = [await create(), await create(), await create()]
    const found: string[] = []
    let cursor: string | undefined
    do {
      const { data, nextCursor } = await db.read(listApiKeys, { query: { limit: 2, ...(cursor ? { cursor } : {}) } })
      for (const key of data) {
        assert.ok(!('key' in key))
        found.push(key.apiKeyId)
      }
      cursor = nextCursor ?? undefined
    } while (cursor)
    assert.deepEqual(
      found.slice(-3),
      made.map(({ apiKeyId }) => apiKeyId)
    )
    assert.deepEqual(found, found.toSorted())
  })

  test('ends at its time', async () => {
    const issued = await create({ expiresAt: inMs(60_000) })
    assert.equal(await isActive(issued), true)
    await db.database.query('update api_keys set expires_at = now() where api_key_id = $1', [issued.apiKeyId])
    assert.equal(await isActive(issued), false)
    await assert.rejects(rotate(issued), { code: 'illegal-transition' })
  })
})

describe('a secret is exchanged', () => {
  test('while the one before stays good for a day, or until it is told to end', async () => {
    const first = await create()
    const second = await rotate(first)
    assert.deepEqual([await isActive(first), await isActive(second), second.version], [true, true, 2])
    const left = Date.parse(second.secrets[0]!.endsAt!) - Date.now()
    assert.ok(left > 86_000_000 && left <= 86_400_000)
    assert.deepEqual([(await lookUp(first)).expiresAt, (await lookUp(second)).expiresAt], [second.secrets[0]!.endsAt, null])
    assert.notEqual(first.key, second.key)

    const other = await create()
    const previousEndsAt = inMs(60_000)
    const replaced = await rotate(other, { previousEndsAt })
    assert.deepEqual([await isActive(other), replaced.secrets[0]!.endsAt], [true, previousEndsAt])
    await db.database.query('update api_key_secrets set ends_at = now() where api_key_id = $1 and ends_at is not null', [
      other.apiKeyId
    ])
    assert.deepEqual([await isActive(other), await isActive(replaced)], [false, true])
    assert.equal((await get(other)).secrets.length, 1)
  })

  test('at once, with an end that is past', async () => {
    const first = await create()
    const second = await rotate(first, { previousEndsAt: '2020-01-01T00:00:00Z' })
    assert.deepEqual([await isActive(first), await isActive(second), second.secrets.length], [false, true, 1])
  })

  test('never for a third that is good at the same time', async () => {
    const first = await create()
    const second = await rotate(first)
    await assert.rejects(rotate(first), { code: 'illegal-transition' })
    assert.deepEqual([await isActive(first), await isActive(second)], [true, true])
    await db.write(deleteApiKeySecret, { params: { apiKeyId: first.apiKeyId, secretId: second.secrets[0]!.secretId } })
    assert.deepEqual([await isActive(first), await isActive(second)], [false, true])
    const third = await rotate(first)
    assert.deepEqual([await isActive(second), await isActive(third), third.version], [true, true, 4])
  })

  test('by twenty at once for one more secret only', async () => {
    const first = await create()
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => rotate(first)))
    assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1)
    assert.equal((await get(first)).secrets.length, 2)
  })

  test('only by somebody who may do all that the key may', async () => {
    const issued = await create()
    await assert.rejects(rotate(issued, {}, as('catalog:read', 'api-keys:write')), { code: 'insufficient-scope' })
    assert.equal((await get(issued)).secrets.length, 1)
  })

  test('only of the version that was seen', async () => {
    const { apiKeyId } = await create()
    await assert.rejects(db.write(rotateApiKey, { params: { apiKeyId }, body: {}, actor: ada, expected: [7] }), {
      code: 'precondition-failed'
    })
  })
})

describe('a key is taken back', () => {
  test('with all of its secrets, and is gone', async () => {
    const first = await create()
    const second = await rotate(first)
    await db.write(deleteApiKey, { params: { apiKeyId: first.apiKeyId } })
    assert.deepEqual([await isActive(first), await isActive(second)], [false, false])
    await assert.rejects(get(first), { code: 'not-found' })
    await assert.rejects(rotate(first), { code: 'not-found' })
    assert.deepEqual(await db.database.query('select 1 from api_key_secrets where api_key_id = $1', [first.apiKeyId]), [])
  })

  test('by its last secret, and can be given another', async () => {
    const first = await create()
    const { secretId } = first.secrets[0]!
    const remove = () => db.write(deleteApiKeySecret, { params: { apiKeyId: first.apiKeyId, secretId } })
    await remove()
    await assert.rejects(remove(), { code: 'not-found' })
    assert.deepEqual([await isActive(first), (await get(first)).secrets], [false, []])
    assert.equal(await isActive(await rotate(first)), true)
  })

  test('and no secret through another key', async () => {
    const [one, other] = [await create(), await create()]
    const params = { apiKeyId: one.apiKeyId, secretId: other.secrets[0]!.secretId }
    await assert.rejects(db.write(deleteApiKeySecret, { params }), { code: 'not-found' })
    assert.equal(await isActive(other), true)
  })
})

describe('when a key was used last', () => {
  const writesOf = async ({ apiKeyId }: IssuedApiKey) => {
    const [row] = await db.database.query<{ xmin: string }>('select xmin::text from api_keys where api_key_id = $1', [apiKeyId])
    return row!.xmin
  }

  test('is written once a minute at most, and makes no new version', async () => {
    const issued = await create()
    await lookUp(issued)
    const written = await writesOf(issued)
    const { lastUsedAt, version } = await get(issued)
    assert.equal(version, 1)
    await Promise.all(Array.from({ length: 50 }, () => lookUp(issued)))
    assert.equal(await writesOf(issued), written)
    await db.database.query(`update api_keys set last_used_at = last_used_at - interval '61 seconds' where api_key_id = $1`, [
      issued.apiKeyId
    ])
    await lookUp(issued)
    assert.ok(Date.parse((await get(issued)).lastUsedAt!) >= Date.parse(lastUsedAt!))
  })

  test('is not written for somebody with a wrong secret', async () => {
    const [issued, other] = [await create(), await create()]
    await lookUpApiKey(db.database)({ ...presented(issued), digest: presented(other).digest })
    assert.equal((await get(issued)).lastUsedAt, null)
  })

  test('lets nobody wait while the key is being changed', async () => {
    const issued = await create()
    const row = await hold(db.database, 'select 1 from api_keys where api_key_id = $1 for update', [issued.apiKeyId])
    const begun = performance.now()
    assert.equal(await isActive(issued), true)
    assert.ok(performance.now() - begun < 2000)
    await row.release()
    assert.equal((await get(issued)).lastUsedAt, null)
  })
})

test('a look-up reads by the index, whether there is such a key or not', async () => {
  const { apiKeyId } = await create()
  const [plan] = await db.database.query(`explain (format json) ${goodSecrets.replace('$1', `'${apiKeyId}'`)}`)
  assert.match(JSON.stringify(plan), /api_keys_pkey/)
  assert.match(JSON.stringify(plan), /api_key_secrets_api_key_id/)
  assert.doesNotMatch(JSON.stringify(plan), /Seq Scan/)
})
