import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { Problem, type ProblemCode } from '#contracts/problems.ts'
import type { ApiKeyStanding } from '#contracts/resources/api-key.ts'
import { newId } from '../id.ts'
import type { Actor, Authenticator } from './actor.ts'
import { newApiKey } from './api-key.ts'
import { openApiKeyCheck } from './api-key-check.ts'

const apiKeyId = newId()
const { key, digest } = newApiKey(apiKeyId, 'live')
const good: ApiKeyStanding = { active: true, scopes: ['catalog:read'], networks: [], expiresAt: null }
const none: ApiKeyStanding = { active: false, scopes: [], networks: [], expiresAt: null }
const here = '203.0.113.9'

/** What those who keep the keys say of the one key; of any other, that there is none. */
let standing: ApiKeyStanding | Error | 'silence'
let lookUps: number
let clock: number
let check: Authenticator

beforeEach(() => {
  standing = good
  lookUps = 0
  clock = 0
  check = openApiKeyCheck({
    environment: 'live',
    now: () => clock,
    async lookUp(presented) {
      lookUps++
      if (standing === 'silence') return new Promise(() => {})
      if (standing instanceof Error) throw standing
      return presented.apiKeyId === apiKeyId && presented.digest === digest.toString('base64url') ? standing : none
    }
  })
})

async function authenticate(text: string | undefined = key, address = here): Promise<Actor> {
  return check.authenticate(text === undefined ? {} : { 'x-api-key': text }, address)
}

async function refusal(text?: string, address?: string): Promise<Problem> {
  try {
    await authenticate(text, address)
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    return error
  }
  throw new assert.AssertionError({ message: 'it was let in' })
}

async function refused(code: ProblemCode, text?: string, address?: string): Promise<void> {
  assert.equal((await refusal(text, address)).code, code)
}

const unknownKey = () => newApiKey(newId(), 'live').key

describe('a good key', () => {
  test('lets in a program with the scopes of the key, and never a user', async () => {
    const { stands: _, ...actor } = await authenticate()
    const subject = `api-key:${apiKeyId}`
    assert.deepEqual(actor, {
      subject,
      clientId: subject,
      issuer: 'urn:product-service:api-keys',
      scopes: new Set(['catalog:read'])
    })
  })

  test('is looked up once in three seconds, however many come with it, and at once for those who come after', async () => {
    await Promise.all(Array.from({ length: 500 }, () => authenticate()))
    clock = 2999
    assert.ok(!(check.authenticate({ 'x-api-key': key }, here) instanceof Promise))
    assert.equal(lookUps, 1)
    clock = 3000
    await authenticate()
    assert.equal(lookUps, 2)
  })

  test('is no longer one three seconds after it was taken back', async () => {
    const actor = await authenticate()
    standing = none
    clock = 2999
    await authenticate()
    assert.equal(await actor.stands!(), true)
    clock = 3000
    await refused('unauthenticated')
    assert.equal(await actor.stands!(), false)
  })

  test('whose answer was long under way is known the shorter for it', async () => {
    const answer = Promise.withResolvers<ApiKeyStanding>()
    const slow = openApiKeyCheck({
      environment: 'live',
      now: () => clock,
      lookUp() {
        lookUps++
        return answer.promise
      }
    })
    const first = slow.authenticate({ 'x-api-key': key }, here)
    clock = 1500
    answer.resolve(good)
    await first
    clock = 3000
    await slow.authenticate({ 'x-api-key': key }, here)
    assert.equal(lookUps, 2)
  })

  test('ends at its time, though it was looked up before', async t => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-01-01T00:00:00Z') })
    standing = { ...good, expiresAt: '2026-01-01T00:00:01.000Z' }
    const { expiresAtMs } = await authenticate()
    assert.equal(expiresAtMs, Date.parse(standing.expiresAt!))
    t.mock.timers.tick(999)
    await authenticate()
    t.mock.timers.tick(1)
    await refused('unauthenticated')
    assert.equal(lookUps, 1)
  })

  test('is good from its networks only', async () => {
    standing = { ...good, networks: ['203.0.113.0/24'] }
    await authenticate()
    await authenticate(key, '::ffff:203.0.113.10')
    await refused('unauthenticated', key, '203.0.114.9')
    await refused('unauthenticated', key, '')
  })
})

describe('what is no good key', () => {
  test('is refused without a look-up when it is mistyped, of another environment or no key at all', async () => {
    const last = key.at(-1) === '0' ? '1' : '0'
    for (const text of [key.slice(0, -1) + last, newApiKey(apiKeyId, 'dev').key, key.toUpperCase(), '', 'x'.repeat(10_000)])
      await refused('unauthenticated', text)
    assert.equal(lookUps, 0)
  })

  test('is looked up once in three seconds, and says nothing of why', async () => {
    const wrongSecret = newApiKey(apiKeyId, 'live').key
    const [first, again] = [await refusal(wrongSecret), await refusal(wrongSecret)]
    assert.equal(lookUps, 1)
    const unknown = await refusal(unknownKey())
    assert.deepEqual([first.code, first.message], [unknown.code, unknown.message])
    assert.equal(again.message, first.message)
    clock = 3000
    await refused('unauthenticated', wrongSecret)
    assert.equal(lookUps, 3)
  })
})

describe('while keys cannot be looked up', () => {
  test('a key that is not known is answered that, and never let in', async () => {
    standing = new Error('away')
    await refused('unavailable')
    standing = good
    await authenticate()
  })

  test('a key that is known goes on for three seconds, and no longer', async () => {
    const actor = await authenticate()
    standing = new Error('away')
    clock = 2999
    await authenticate()
    clock = 3000
    await refused('unavailable')
    await assert.rejects(actor.stands!(), { code: 'unavailable' })
  })

  test('an answer that does not come is waited for two seconds', async () => {
    standing = 'silence'
    const begun = performance.now()
    await refused('unavailable')
    assert.ok(performance.now() - begun < 4000)
  })

  test('nobody is said to have guessed', async () => {
    standing = new Error('away')
    for (let count = 0; count < 40; count++) await refused('unavailable', unknownKey())
  })
})

describe('whoever guesses', () => {
  test('is refused twenty times in a minute, then not even heard, and heard again when the minute is over', async () => {
    for (let count = 0; count < 20; count++) await refused('unauthenticated', count % 2 ? unknownKey() : 'rubbish')
    const before = lookUps
    for (const text of [unknownKey(), 'rubbish', key]) {
      const { status, extensions } = await refusal(text)
      assert.equal(status, 429)
      const seconds = Number(extensions.retryAfterSeconds)
      assert.ok(seconds >= 60 && seconds <= 65, `Retry-After: ${seconds}`)
    }
    assert.equal(lookUps, before)
    clock = 62_000
    await refused('unauthenticated', unknownKey())
    await authenticate()
  })

  test('is told apart by address, and by network where the address is of IPv6', async () => {
    for (let count = 0; count < 20; count++) await refused('unauthenticated', 'rubbish', `2001:db8:1:2::${count.toString(16)}`)
    assert.equal((await refusal('rubbish', '2001:db8:1:2:ffff::1')).status, 429)
    await refused('unauthenticated', 'rubbish', '2001:db8:1:3::1')
    await refused('unauthenticated', 'rubbish', here)
  })

  test('locks nobody out whose key was good just now, though both come through one gateway', async () => {
    await authenticate()
    for (let count = 0; count < 25; count++) await refusal(unknownKey())
    assert.equal((await refusal(unknownKey())).status, 429)
    for (clock = 0; clock < 20_000; clock += 1000) await authenticate()
  })
})
