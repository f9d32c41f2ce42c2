import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { Problem, type ProblemCode } from '#contracts/problems.ts'
import { garbage, outage, startIssuer, type TestIssuer } from '../../../test/support/issuer.ts'
import { quiet } from '../../../test/support/messaging.ts'
import type { Actor, Authenticator } from './actor.ts'
import { openAuthenticator } from './auth.ts'
import { openCredentials } from './credentials.ts'
import { trustedIssuer } from './issuers.ts'
import { openOpaqueTokens } from './opaque-tokens.ts'
import { openTokenIntrospection } from './token-introspection.ts'

const audience = 'urn:product-service'
const here = '203.0.113.9'

let issuer: TestIssuer
let clock: number
let authenticator: Authenticator
const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())

beforeEach(async () => {
  issuer = await startIssuer({ alg: 'EdDSA' })
  clock = 0
  authenticator = opened()
})
afterEach(() => issuer[Symbol.asyncDispose]())

function opened(client: Partial<TestIssuer['introspection']> = {}): Authenticator {
  const introspection = { ...issuer.introspection, ...client }
  const trusted = trustedIssuer({ url: issuer.url, audience, introspection })
  const { introspect } = stack.use(openTokenIntrospection(introspection))
  const tokens = openAuthenticator({ issuers: [trusted], log: quiet })
  const opaqueTokens = openOpaqueTokens({ issuer: trusted, introspect, now: () => clock })
  return openCredentials({ tokens, apiKeys: tokens, opaqueTokens })
}

async function actorOf(token: string, address = here): Promise<Actor> {
  return authenticator.authenticate({ authorization: `Bearer ${token}` }, address)
}

async function refused(code: ProblemCode, token: string, address?: string): Promise<Problem> {
  try {
    await actorOf(token, address)
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    assert.equal(error.code, code, error.message)
    return error
  }
  throw new assert.AssertionError({ message: `accepted: ${token}` })
}

describe('an opaque token', () => {
  test('is worth what its issuer says: who calls, for whom, and what they may', async () => {
    const token = issuer.opaqueToken({ scope: 'orders:read', roles: ['viewer'] })
    const { stands: _, expiresAtMs, ...actor } = await actorOf(token)
    const known = { subject: 'u-1', clientId: 'shop', issuer: issuer.url, userId: 'u-1', roles: ['viewer'] }
    assert.deepEqual(actor, { ...known, scopes: new Set(['orders:read', 'catalog:read', 'inventory:read']) })
    assert.ok(expiresAtMs! > Date.now())
    assert.equal((await actorOf(issuer.opaqueToken({ sub: 'shop' }))).userId, undefined)
  })

  test('is asked about once in a minute, however many come with it, and known at once to those who come after', async () => {
    const token = issuer.opaqueToken()
    await Promise.all(Array.from({ length: 200 }, () => actorOf(token)))
    clock = 59_999
    assert.ok(!(authenticator.authenticate({ authorization: `bearer ${token}` }, here) instanceof Promise))
    assert.equal(issuer.asked.introspection, 1)
    clock = 60_000
    await actorOf(token)
    assert.equal(issuer.asked.introspection, 2)
  })

  test('is none a minute after it was revoked, for what goes on for long as well', async () => {
    const token = issuer.opaqueToken()
    const actor = await actorOf(token)
    issuer.opaque.set(token, { active: false })
    clock = 59_999
    assert.equal(await actor.stands!(), true)
    clock = 60_000
    assert.equal(await actor.stands!(), false)
    await refused('unauthenticated', token)
  })

  test('ends when it expires, within its minute too', async t => {
    const token = issuer.opaqueToken({ exp: Math.floor(Date.now() / 1000) + 10 })
    const { expiresAtMs } = await actorOf(token)
    t.mock.timers.enable({ apis: ['Date'], now: expiresAtMs! - 1 })
    await actorOf(token)
    t.mock.timers.tick(1)
    await refused('unauthenticated', token)
    assert.equal(issuer.asked.introspection, 1)
  })

  test('is held to what a JWT is held to, and the refusal says to what', async () => {
    const now = Math.floor(Date.now() / 1000)
    const wrong: [RegExp, Record<string, unknown>][] = [
      [/\(aud\)/, { aud: 'urn:other' }],
      [/\(aud\)/, { aud: undefined }],
      [/\(iss\)/, { iss: 'https://other.example' }],
      [/\(exp\)/, { exp: undefined }],
      [/expired/, { exp: now - 60 }],
      [/future/, { nbf: now + 60 }],
      [/\(sub\)/, { sub: undefined }],
      [/client/, { client_id: undefined }],
      [/\(cnf\)/, { cnf: { jkt: 'x' } }]
    ]
    for (const [words, claims] of wrong) assert.match((await refused('unauthenticated', issuer.opaqueToken(claims))).message, words)
    await actorOf(issuer.opaqueToken({ iss: undefined }))
  })

  test('that is none is asked about once in ten seconds', async () => {
    for (let n = 0; n < 3; n++) await refused('unauthenticated', 'never-given-out')
    clock = 9_999
    await refused('unauthenticated', 'never-given-out')
    assert.equal(issuer.asked.introspection, 1)
    clock = 10_000
    await refused('unauthenticated', 'never-given-out')
    assert.equal(issuer.asked.introspection, 2)
  })

  test('is neither accepted nor refused while nobody says what it is worth; one that is known goes on', async () => {
    const [known, other] = [issuer.opaqueToken(), issuer.opaqueToken()]
    await actorOf(known)
    const answers = [outage, garbage, (response: Parameters<typeof outage>[0]) => void response.writeHead(401).end()]
    for (const body of ['null', '{}', '{"active":"true"}', '[]', '{"active":1}'])
      answers.push(response => void response.writeHead(200, { 'content-type': 'application/json' }).end(body))
    for (const answer of answers) {
      issuer.introspectionAnswer = answer
      await refused('unavailable', other)
      await actorOf(known)
    }
    issuer.introspectionAnswer = undefined
    authenticator = opened()
    await actorOf(other)
    authenticator = opened({ clientSecret: 'wrong' })
    await refused('unavailable', other)
  })
})

describe('what is guessed', () => {
  test('is asked about twenty times a minute from one place; a token that is known goes on', async () => {
    const token = issuer.opaqueToken()
    await actorOf(token)
    for (let n = 0; n < 20; n++) await refused('unauthenticated', `guess-${n}`)
    await refused('quota-exceeded', 'guess-20')
    assert.equal(issuer.asked.introspection, 21)
    await actorOf(token)
    clock = 60_000
    await actorOf(token)
    await refused('unauthenticated', 'guess-21', '198.51.100.7')
  })

  test('with the look of a JWT is never told to anybody', async () => {
    const jwt = issuer.token()
    const [header, claims] = jwt.split('.') as [string, string]
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const token of [`${none}.${claims}.`, `${header}.${claims}.AAAA`, `${header}.a.b.c.d`, header, 'eyJ'])
      await refused('unauthenticated', token)
    await actorOf(jwt)
    assert.equal(issuer.asked.introspection, 0)
  })

  test('and no token at all (RFC 6750) is refused without asking', async () => {
    for (const token of ['a b', 'ä', '"quoted"', 'a,b', `x${'y'.repeat(8192)}`, '='.repeat(3)])
      await refused('unauthenticated', token)
    assert.equal(issuer.asked.introspection, 0)
  })
})
