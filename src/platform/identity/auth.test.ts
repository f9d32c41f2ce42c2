import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { startIssuer, type TestIssuer } from '../../../test/support/issuer.ts'
import { quiet } from '../../../test/support/messaging.ts'
import type { Actor, Authenticator } from './actor.ts'
import { openAuthenticator } from './auth.ts'
import { trustedIssuer } from './issuers.ts'

const audience = 'urn:product-service'
const START = 1_800_000_000_000
let clock = START
const now = () => clock
const seconds = START / 1000

const [shop, partner] = (await Promise.all([
  startIssuer({ alg: 'EdDSA', now }),
  startIssuer({ alg: 'EdDSA', now, path: '/partner' })
])) as [TestIssuer, TestIssuer]
after(() => Promise.all([shop, partner].map(issuer => issuer[Symbol.asyncDispose]())))

let authenticator: Authenticator
beforeEach(() => {
  clock = START
  authenticator = opened({}, shop, partner)
})

function opened(written: Partial<Parameters<typeof trustedIssuer>[0]>, ...issuers: TestIssuer[]) {
  return openAuthenticator({ issuers: issuers.map(({ url }) => trustedIssuer({ url, audience, ...written })), log: quiet, now })
}

async function answerTo(authorization: string | undefined, by = authenticator): Promise<Actor | Problem> {
  try {
    return await by.authenticate({ authorization })
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    return error
  }
}

async function actorOf(token: string, by = authenticator): Promise<Actor> {
  const actor = await answerTo(`Bearer ${token}`, by)
  assert.ok(!(actor instanceof Problem), String(actor))
  return actor
}

async function refusalOf(token: string, by = authenticator): Promise<Problem> {
  const refused = await answerTo(`Bearer ${token}`, by)
  assert.ok(refused instanceof Problem, `accepted: ${token}`)
  return refused
}

describe('an access token', () => {
  test('tells who calls, for whom, what they may, and until when', async () => {
    const known = { subject: 'u-1', issuer: shop.url, clientId: 'shop', expiresAtMs: START + 330_000 }
    const scopes = new Set(['catalog:read', 'orders:write'])
    assert.deepEqual(await actorOf(shop.token({ scope: 'catalog:read orders:write' })), { ...known, userId: 'u-1', scopes })
    const acting = { ...known, userId: 'u-1', scopes: new Set(), act: 'till-7' }
    assert.deepEqual(await actorOf(shop.token({ scope: undefined, act: { sub: 'till-7' } })), acting)
    const itself = { ...known, subject: 'shop', scopes: new Set(['catalog:read']) }
    assert.deepEqual(await actorOf(shop.token({ sub: 'shop' })), itself)
  })

  test('may carry roles, which allow what they allow here, beside its scopes; other words allow nothing', async () => {
    const actor = await actorOf(
      shop.token({ scope: 'orders:read catalog:readx Catalog:Write', roles: ['viewer', 'Admin', 'admin ', 'chef'] })
    )
    assert.deepEqual(actor.roles, ['viewer', 'Admin', 'admin ', 'chef'])
    const allowed = ['orders:read', 'catalog:read', 'inventory:read']
    assert.deepEqual(actor.scopes, new Set([...allowed, 'catalog:readx', 'Catalog:Write']))
  })

  test('may name us among others, and its type with its long name and in capitals', async () => {
    const tokens = [
      shop.token({ aud: ['urn:other', audience] }),
      shop.token({}, { typ: 'application/at+jwt' }),
      shop.token({}, { typ: 'AT+JWT' })
    ]
    for (const token of tokens) await actorOf(token)
  })

  test('stands in the header as a bearer token, and nowhere else', async () => {
    const token = shop.token()
    await actorOf(token)
    const wrong = [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      token,
      `Basic ${token}`,
      `Bearer  ${token}`,
      `Bearer${token}`,
      `Token ${token}`
    ]
    for (const authorization of [...wrong, `Bearer ${token} x`, `Bearer ${token},Bearer ${token}`, `Bearer "${token}"`]) {
      const refused = await answerTo(authorization)
      assert.ok(refused instanceof Problem && refused.code === 'unauthenticated', authorization)
    }
    assert.ok(!((await answerTo(`bearer ${token}`)) instanceof Problem))
  })

  test('is taken for half a minute of two clocks that differ, and no longer; for as long as the issuer is said to be allowed', async () => {
    for (const claims of [{ exp: seconds - 29 }, { nbf: seconds + 29 }, { iat: seconds + 29 }]) await actorOf(shop.token(claims))
    for (const claims of [{ exp: seconds - 31 }, { nbf: seconds + 31 }, { iat: seconds + 31 }]) {
      assert.equal((await refusalOf(shop.token(claims))).status, 401)
    }
    const strict = opened({ leewaySeconds: 0 }, shop)
    assert.equal((await refusalOf(shop.token({ exp: seconds }), strict)).status, 401)
    await actorOf(shop.token({ exp: seconds + 1 }), strict)
  })

  test('is of the issuer whose key signed it: issuers do not speak for each other', async () => {
    assert.equal((await actorOf(partner.token())).issuer, partner.url)
    assert.equal((await refusalOf(shop.token({ iss: partner.url }))).status, 401)
    assert.equal((await refusalOf(partner.token({}, { kid: shop.key.kid }))).status, 401)
    assert.equal((await refusalOf(partner.token(), opened({}, shop))).status, 401)
  })

  test('is refused with words that say what to change in it, and with the same for every wrong signature', async () => {
    assert.match((await refusalOf(shop.token({ aud: 'account' }))).message, /not for this service \(aud\)/)
    assert.match((await refusalOf(shop.token({}, { typ: 'JWT' }))).message, /\(typ\)/)
    assert.match((await refusalOf(shop.token({ iss: 'https://other.example' }))).message, /\(iss\)/)
    assert.match((await refusalOf(shop.token({ exp: seconds - 60 }))).message, /expired/)
    const wrong = [
      shop.token({}, { kid: 'unknown' }),
      shop.token({}, {}, { ...partner.key, kid: shop.key.kid }),
      `${shop.token().slice(0, -20)}AAAAAAAAAAAAAAAAAAAA`
    ]
    const refusals = await Promise.all(wrong.map(token => refusalOf(token)))
    assert.deepEqual(new Set(refusals.map(({ status, message }) => `${status} ${message}`)).size, 1)
  })
})

describe('a token that was verified', () => {
  test('is known at once, without a promise and without its signature being verified again', async () => {
    const authorization = `Bearer ${shop.token()}`
    const actor = await answerTo(authorization)
    assert.equal(authenticator.authenticate({ authorization }), actor)
  })

  test('dies when it expires', async () => {
    const token = shop.token({ exp: seconds + 60 })
    await actorOf(token)
    clock += 89_999
    await actorOf(token)
    clock += 1
    assert.equal((await refusalOf(token)).message, 'The token has expired')
  })

  test('dies with its key, and other tokens do not', async () => {
    const [leaver, stayer] = [shop.token({ exp: seconds + 3600 }), partner.token({ exp: seconds + 3600 })]
    const before = await actorOf(stayer)
    await actorOf(leaver)
    shop.rotate({ keepBefore: false })
    // Past what any key set is believed for without being asked for again.
    clock += 600_001
    assert.equal((await refusalOf(leaver)).status, 401)
    assert.deepEqual(await actorOf(stayer), before)
    await actorOf(shop.token())
  })
})
