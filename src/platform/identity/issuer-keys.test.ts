import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { garbage, newIssuerKey, type OwnAnswer, outage, startIssuer } from '../../../test/support/issuer.ts'
import { quiet } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { openAuthenticator, type TokenAuthenticator } from './auth.ts'
import { trustedIssuer } from './issuers.ts'

const audience = 'urn:product-service'
const START = 1_800_000_000_000
let clock = START
const now = () => clock
const SECOND = 1000
const HOUR = 3_600_000

const issuer = await startIssuer({ alg: 'EdDSA', now })
after(() => issuer[Symbol.asyncDispose]())

let authenticator: TokenAuthenticator
const opened = (jwksUrl?: string) =>
  openAuthenticator({ issuers: [trustedIssuer({ url: issuer.url, audience, ...(jwksUrl ? { jwksUrl } : {}) })], log: quiet, now })
beforeEach(() => {
  clock = START
  Object.assign(issuer, { keysAnswer: undefined, metadataAnswer: undefined, published: [issuer.key.jwk] })
  Object.assign(issuer.asked, { keys: 0, metadata: 0, introspection: 0 })
  authenticator = opened()
})

/** The status of the answer: 200 is accepted. */
async function statusOf(token = issuer.token(), by = authenticator): Promise<number> {
  try {
    await by.authenticate({ authorization: `Bearer ${token}` })
    return 200
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    if (error.status === 503) assert.ok((error.extensions.retryAfterSeconds as number) >= 1)
    return error.status
  }
}
/** Waits until nothing is being fetched beside the work any more. */
const settled = (asked: number) =>
  eventually(
    async () => issuer.asked.keys,
    count => count >= asked
  )
const json =
  (value: unknown): OwnAnswer =>
  response =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))

describe('where the keys of an issuer are', () => {
  test('its metadata says, which is asked once for many tokens', async () => {
    for (let n = 0; n < 20; n++) assert.equal(await statusOf(), 200)
    assert.deepEqual(issuer.asked, { keys: 1, metadata: 1, introspection: 0 })
  })

  test('or the settings, and nobody asks the metadata', async () => {
    assert.equal(await statusOf(issuer.token(), opened(issuer.keysUrl)), 200)
    assert.deepEqual(issuer.asked, { keys: 1, metadata: 0, introspection: 0 })
  })

  test('is believed of metadata that names exactly this issuer', async () => {
    const others = [`${issuer.url}/`, issuer.url.toUpperCase(), 'https://other.example', undefined, [issuer.url]]
    for (const named of others) {
      issuer.metadataAnswer = json({ issuer: named, jwks_uri: issuer.keysUrl })
      assert.equal(await statusOf(issuer.token(), opened()), 503, String(named))
    }
    for (const jwks_uri of [undefined, 'file:///etc/passwd', 'data:,{}', 7]) {
      issuer.metadataAnswer = json({ issuer: issuer.url, jwks_uri })
      assert.equal(await statusOf(issuer.token(), opened()), 503, String(jwks_uri))
    }
    assert.equal(issuer.asked.keys, 0)
  })

  test('is found where RFC 8414 has it too, before the path of the issuer', async () => {
    const paths: string[] = []
    issuer.metadataAnswer = (response, request) => {
      paths.push(request.url!)
      response.writeHead(404).end()
    }
    assert.equal(await statusOf(), 503)
    assert.deepEqual(paths, ['/realms/shop/.well-known/openid-configuration'])
    assert.match(
      authenticator.health().get(issuer.url)?.error ?? '',
      /\/\.well-known\/oauth-authorization-server\/realms\/shop: it answered 404/
    )
  })

  test('may change: when keys cannot be had any more, the metadata is asked again', async () => {
    assert.equal(await statusOf(), 200)
    const moved = await startIssuer({ alg: 'EdDSA', now })
    try {
      const key = issuer.key
      moved.published = [newIssuerKey('EdDSA').jwk, key.jwk]
      issuer.keysAnswer = (response => void response.writeHead(404).end()) satisfies OwnAnswer
      issuer.metadataAnswer = json({ issuer: issuer.url, jwks_uri: moved.keysUrl })
      clock += 61 * SECOND
      assert.equal(await statusOf(), 200)
      await settled(2)
      clock += 31 * SECOND
      await eventually(
        async () => {
          clock += 31 * SECOND
          await statusOf()
          return moved.asked.keys
        },
        asked => asked > 0
      )
      assert.equal(await statusOf(), 200)
    } finally {
      await moved[Symbol.asyncDispose]()
    }
  })
})

describe('keys that rotate', () => {
  test('in three steps, over and over, on a compressed clock: not one good token is refused', async () => {
    const answers = new Map<number, number>()
    const ask = async (token = issuer.token()) => {
      const status = await statusOf(token)
      answers.set(status, (answers.get(status) ?? 0) + 1)
    }
    const pass = async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed += 5) {
        clock += 5 * SECOND
        await Promise.all([ask(), ask(steady)])
      }
    }
    let steady = issuer.token({ exp: clock / 1000 + 300 })
    await pass(120)
    for (let round = 0; round < 5; round++) {
      const next = newIssuerKey('EdDSA')
      // Published, then signed with after 35 seconds, then the old one taken out once its tokens are done.
      issuer.published = [issuer.key.jwk, next.jwk]
      await pass(35)
      issuer.key = next
      steady = issuer.token({ exp: clock / 1000 + 300 })
      await pass(180)
      issuer.published = [next.jwk]
      await pass(120)
      steady = issuer.token({ exp: clock / 1000 + 300 })
    }
    assert.deepEqual([...answers.keys()], [200], JSON.stringify([...answers]))
  })

  test('all at once: a key that signs as it is published is found at its first token', async () => {
    assert.equal(await statusOf(), 200)
    clock += 5 * SECOND
    issuer.rotate({ keepBefore: false })
    assert.equal(await statusOf(), 200)
    assert.equal(issuer.asked.keys, 2)
  })

  test('a new key is used 35 seconds after it was published at the latest, whatever was asked for before', async () => {
    assert.equal(await statusOf(), 200)
    clock += 2 * SECOND
    for (let n = 0; n < 10; n++) assert.equal(await statusOf(issuer.token({}, { kid: `unknown-${n}` })), 401)
    issuer.rotate()
    clock += 35 * SECOND
    assert.equal(await statusOf(), 200)
  })

  test('a key that is taken out is refused as soon as the set is fetched anew: within a minute while tokens come, also for tokens seen before', async () => {
    const token = issuer.token({ exp: clock / 1000 + HOUR })
    assert.equal(await statusOf(token), 200)
    issuer.published = [newIssuerKey('EdDSA').jwk]
    clock += 61 * SECOND
    // Beside the work: nobody waits for it.
    assert.equal(await statusOf(token), 200)
    assert.equal(
      await eventually(
        () => statusOf(token),
        status => status !== 200
      ),
      401
    )
  })

  test('an issuer that publishes no key at all has none', async () => {
    assert.equal(await statusOf(), 200)
    issuer.published = []
    clock += 600_001
    assert.equal(await statusOf(), 401)
  })
})

describe('an issuer that is away', () => {
  test('is no fault of the caller: 503 until its keys were had once, and back at once', async () => {
    for (const answer of [outage, garbage]) {
      for (const at of ['metadataAnswer', 'keysAnswer'] as const) {
        Object.assign(issuer, { metadataAnswer: undefined, keysAnswer: undefined, [at]: answer })
        const by = opened()
        assert.equal(await statusOf(issuer.token(), by), 503)
        assert.equal(by.health().get(issuer.url)?.state, 'unavailable')
        issuer[at] = undefined
        clock += SECOND
        assert.equal(await statusOf(issuer.token(), by), 200)
        assert.deepEqual(by.health().get(issuer.url)?.state, 'ok')
      }
    }
  })

  test('is believed by its last good keys for a day, and then nobody is let in', async () => {
    assert.equal(await statusOf(), 200)
    issuer.keysAnswer = outage
    clock += 600_001
    assert.equal(await statusOf(), 200)
    for (let hours = 1; hours < 24; hours++) {
      clock += HOUR
      assert.equal(await statusOf(), 200, `${hours} hours`)
    }
    assert.equal(authenticator.health().get(issuer.url)?.state, 'stale')
    // Whether an unknown key is a good one nobody can tell now.
    assert.equal(await statusOf(issuer.token({}, { kid: 'unknown' })), 503)
    clock += HOUR
    assert.equal(await statusOf(), 503)
    issuer.keysAnswer = undefined
    clock += 31 * SECOND
    assert.equal(await statusOf(), 200)
  })
})

describe('what is no key set takes no key away:', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const weak = {
    kid: 'weak',
    alg: 'RS256' as const,
    ...pair,
    jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid: 'weak', use: 'sig' }
  }
  const answers: [string, OwnAnswer][] = [
    ['a page for people', garbage],
    ['an error', outage],
    ['an empty object', json({})],
    ['null', json(null)],
    ['keys that are no list', json({ keys: 'none' })],
    ['nothing', response => void response.writeHead(200).end()],
    ['a redirect, even to a key set', response => void response.writeHead(302, { location: issuer.keysUrl }).end()],
    ['more keys than anybody has', json({ keys: Array.from({ length: 101 }, (_, n) => ({ ...issuer.key.jwk, kid: `k${n}` })) })],
    ['more bytes than anybody needs', json({ keys: [{ ...issuer.key.jwk, more: 'x'.repeat(262_144) }] })],
    ['keys that cannot be used', json({ keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'short', x: 'AAAA' }] })]
  ]
  for (const [what, answer] of answers) {
    test(what, async () => {
      assert.equal(await statusOf(), 200)
      issuer.keysAnswer = answer
      clock += 600_001
      await statusOf(issuer.token({}, { kid: 'unknown' }))
      assert.equal(issuer.asked.keys >= 2, true)
      assert.equal(await statusOf(), 200)
      assert.equal(authenticator.health().get(issuer.url)?.state, 'stale')
    })
  }

  test('one bad key among good ones is passed over, and so is a weak one', async () => {
    const rsa = newIssuerKey('RS256', 'strong')
    const bad = [
      null,
      'x',
      7,
      { kty: 'RSA', kid: 'bad', n: '!', e: 'AQAB' },
      { ...issuer.key.jwk, kid: 'for-encryption', use: 'enc' },
      weak.jwk
    ]
    issuer.published = [...(bad as Record<string, unknown>[]), { ...issuer.key.jwk, d: 'private' }, { ...rsa.jwk, alg: undefined }]
    assert.equal(await statusOf(), 200)
    assert.equal(await statusOf(issuer.token({}, {}, rsa)), 200)
    assert.equal(await statusOf(issuer.token({}, {}, weak)), 401)
    for (const kid of ['bad', 'for-encryption']) assert.equal(await statusOf(issuer.token({}, { kid })), 401, kid)
  })

  test('a key is for one algorithm: the one that it names, or the first that is accepted of its kind', async () => {
    const [rs, ps] = [newIssuerKey('RS256', 'rs'), newIssuerKey('PS256', 'ps')]
    issuer.published = [{ ...rs.jwk, alg: undefined }, ps.jwk]
    assert.equal(await statusOf(issuer.token({}, {}, rs)), 200)
    assert.equal(await statusOf(issuer.token({}, {}, { ...rs, alg: 'PS256' })), 401)
    assert.equal(await statusOf(issuer.token({}, {}, ps)), 200)
    assert.equal(await statusOf(issuer.token({}, {}, { ...ps, alg: 'RS256' })), 401)
  })
})

test('10,000 tokens with names of keys that nobody has make nobody ask for keys more than twice in half a minute', async () => {
  const [, claims, signature] = issuer.token({ exp: START / 1000 + HOUR }).split('.')
  const flood = async (round: number) => {
    for (let n = 0; n < 5000; n++) {
      const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'at+jwt', kid: `unknown-${round}-${n}` })).toString(
        'base64url'
      )
      assert.equal(await statusOf(`${header}.${claims}.${signature}`), 401)
      clock += 2
    }
  }
  await flood(1)
  await flood(2)
  assert.ok(issuer.asked.keys <= 2, `${issuer.asked.keys} times in 20 seconds`)
  assert.equal(await statusOf(), 200)
})
