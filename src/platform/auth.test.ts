import assert from 'node:assert/strict'
import { createHmac, createSign, KeyObject } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, mock, test } from 'node:test'
import fc from 'fast-check'
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { Problem } from '#contracts/problems.ts'
import type { Actor, Authenticator } from './actor.ts'
import { openAuthenticator } from './auth.ts'

const issuer = 'https://issuer.example'
const audience = 'urn:product-service'
const keyPair = (alg: string) => generateKeyPair(alg, { extractable: true })
const [ed, es, rs, foreign] = [await keyPair('EdDSA'), await keyPair('ES256'), await keyPair('RS256'), await keyPair('EdDSA')]
const jwks = {
  keys: [
    { ...(await exportJWK(ed.publicKey)), kid: 'ed', alg: 'EdDSA', use: 'sig' },
    { ...(await exportJWK(es.publicKey)), kid: 'es', alg: 'ES256', use: 'sig' },
    { ...(await exportJWK(rs.publicKey)), kid: 'rs', alg: 'RS256', use: 'sig' }
  ]
}

let keys: Server
let keysUrl: string
/** What the place of the issuer's keys answers. */
let served: { status: number; type: string; body: string }
let asked: number
const honest = () => ({ status: 200, type: 'application/json', body: JSON.stringify(jwks) })

let authenticator: Authenticator
const open = (jwksUrl = () => keysUrl) => openAuthenticator({ issuer, audience, jwksUrl })

before(async () => {
  keys = createServer((_request, response) => {
    asked++
    response.writeHead(served.status, { 'content-type': served.type }).end(served.body)
  })
  await new Promise<void>(resolve => keys.listen(0, '127.0.0.1', resolve))
  keysUrl = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/jwks`
})
after(() => new Promise(resolve => keys.close(resolve)))
beforeEach(() => {
  served = honest()
  asked = 0
  authenticator = open()
})

const now = () => Math.floor(Date.now() / 1000)
const claims = (): JWTPayload => ({
  iss: issuer,
  aud: audience,
  sub: 'u-1',
  client_id: 'shop',
  scope: 'catalog:read orders:write',
  iat: now(),
  exp: now() + 300
})
const sign = (more: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key: CryptoKey = ed.privateKey) =>
  new SignJWT(JSON.parse(JSON.stringify({ ...claims(), ...more })))
    .setProtectedHeader({ alg: 'EdDSA', kid: 'ed', typ: 'at+jwt', ...header })
    .sign(key)
const encode = (part: unknown) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
const unsigned = (header: unknown, payload: unknown = claims()) => `${encode(header)}.${encode(payload)}`

async function authenticate(authorization: string | undefined, by = authenticator): Promise<Actor | Problem> {
  try {
    return await by.authenticate({ authorization })
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    return error
  }
}

/** The last character of base64url has bits that mean nothing. */
function isSameToken(a: string, b: string): boolean {
  const [one, other] = [a.split('.'), b.split('.')]
  const signature = ([, , text]: string[]) => Buffer.from(text ?? '', 'base64url').toString('hex')
  return one.length === 3 && one[0] === other[0] && one[1] === other[1] && signature(one) === signature(other)
}

async function assertRefused(token: string, status = 401, by = authenticator): Promise<void> {
  const refused = await authenticate(`Bearer ${token}`, by)
  assert.ok(refused instanceof Problem, `accepted: ${token}`)
  assert.equal(refused.status, status, `${refused.message} ${refused.cause}`)
}

describe('an access token', () => {
  test('tells who calls, what they may, and until when', async () => {
    const exp = now() + 300
    // Clocks differ by half a minute at most.
    const known = { subject: 'u-1', issuer, scopes: new Set(['catalog:read', 'orders:write']), expiresAtMs: (exp + 30) * 1000 }
    assert.deepEqual(await authenticate(`Bearer ${await sign({ exp })}`), { ...known, clientId: 'shop', userId: 'u-1' })
    assert.deepEqual(await authenticate(`bearer ${await sign({ exp, client_id: undefined })}`), { ...known, clientId: 'u-1' })
    const none = await authenticate(`Bearer ${await sign({ exp, scope: undefined })}`)
    assert.deepEqual(none, { ...known, clientId: 'shop', userId: 'u-1', scopes: new Set() })
  })

  test('may be signed in each of the ways that we allow, for us among others, with the long name of its type', async () => {
    const tokens = [
      await sign({}, { alg: 'ES256', kid: 'es' }, es.privateKey),
      await sign({}, { alg: 'RS256', kid: 'rs' }, rs.privateKey),
      await sign({ aud: ['urn:other', audience] }),
      await sign({}, { typ: 'application/at+jwt' }),
      await sign({}, { typ: 'AT+JWT' })
    ]
    for (const token of tokens) assert.ok(!((await authenticate(`Bearer ${token}`)) instanceof Problem), token)
  })

  test('stands in the header as a bearer token, and nowhere else', async () => {
    const token = await sign()
    const wrong = [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      token,
      `Basic ${token}`,
      `Bearer  ${token}`,
      `Bearer${token}`,
      `Token ${token}`,
      `Bearer ${token} x`,
      `Bearer ${token},Bearer ${token}`
    ]
    for (const authorization of wrong) {
      const refused = await authenticate(authorization)
      assert.ok(refused instanceof Problem && refused.code === 'unauthenticated', authorization)
    }
  })

  test('is refused when what it claims is not for us, not now, or not to be stored', async () => {
    const wrong: Record<string, unknown>[] = [
      { iss: 'https://other.example' },
      { iss: `${issuer}/` },
      { iss: undefined },
      { aud: 'urn:other' },
      { aud: undefined },
      { aud: [] },
      { aud: [`${audience}x`] },
      { exp: now() - 31 },
      { exp: 0 },
      { exp: undefined },
      { exp: '9999999999' },
      { exp: null },
      { nbf: now() + 60 },
      { nbf: 'now' },
      { iat: 'now' },
      { sub: undefined },
      { sub: '' },
      { sub: 7 },
      { sub: { a: 1 } },
      { sub: ['u-1'] },
      { sub: 'a\0b' },
      { sub: '\ud800' },
      { sub: 'x'.repeat(256) }
    ]
    for (const claim of wrong) await assertRefused(await sign(claim))
  })

  test('is taken for half a minute of two clocks that differ, and no longer', async () => {
    for (const claim of [{ exp: now() - 25 }, { nbf: now() + 25 }]) {
      assert.ok(!((await authenticate(`Bearer ${await sign(claim)}`)) instanceof Problem))
    }
    for (const claim of [{ exp: now() - 31 }, { nbf: now() + 35 }]) await assertRefused(await sign(claim))
  })

  test('is refused when it is of another type, such as an id token', async () => {
    for (const typ of ['JWT', 'jwt', 'id_token', 'dpop+jwt', '', undefined, 'at+jwt+x'])
      await assertRefused(await sign({}, { typ }))
  })

  test('is refused when it is forged', async () => {
    const spki = await exportSPKI(rs.publicKey)
    const hs = (secret: string | Buffer, header: object = { alg: 'HS256', typ: 'at+jwt', kid: 'rs' }) => {
      const text = unsigned(header)
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
    }
    const own = { ...(await exportJWK(foreign.publicKey)), kid: 'ed' }
    const [head, body, signature] = (await sign()).split('.') as [string, string, string]
    const es256 = unsigned({ alg: 'ES256', kid: 'es', typ: 'at+jwt' })
    const der = createSign('sha256')
      .update(es256)
      .sign({ key: KeyObject.from(es.privateKey), dsaEncoding: 'der' })
    const forged = [
      ...['none', 'None', 'nOnE', 'NONE', ''].flatMap(alg => [
        `${unsigned({ alg, typ: 'at+jwt' })}.`,
        `${unsigned({ alg, typ: 'at+jwt', kid: 'ed' })}.AA`
      ]),
      `${unsigned({ typ: 'at+jwt', kid: 'ed' })}.${signature}`,
      hs(''),
      hs('secret'),
      hs(spki),
      hs(spki.trim()),
      hs(JSON.stringify(jwks.keys[2])),
      hs(Buffer.from(spki.replaceAll(/-----[^-]+-----|\n/g, ''), 'base64')),
      hs(spki, { alg: 'RS256', typ: 'at+jwt', kid: 'rs' }),
      await sign({}, {}, foreign.privateKey),
      await sign({}, { jwk: own }, foreign.privateKey),
      await sign({}, { jku: keysUrl, kid: 'evil' }, foreign.privateKey),
      await sign({}, { x5u: keysUrl, x5c: ['AA=='] }, foreign.privateKey),
      ...['evil', '../../etc/passwd', "' or 1=1 --", '__proto__', 'constructor', '\0', 'x'.repeat(4000)].map(
        kid => `${unsigned({ alg: 'EdDSA', typ: 'at+jwt', kid })}.${signature}`
      ),
      ...[7, null, ['ed'], { a: 1 }].map(kid => `${unsigned({ alg: 'EdDSA', typ: 'at+jwt', kid })}.${signature}`),
      `${unsigned({ alg: 'eddsa', typ: 'at+jwt', kid: 'ed' })}.${signature}`,
      `${unsigned({ alg: 'ES256', typ: 'at+jwt', kid: 'ed' })}.${signature}`,
      `${unsigned({ alg: 'RS256', typ: 'at+jwt', kid: 'ed' })}.${signature}`,
      `${unsigned({ alg: 'EdDSA', typ: 'at+jwt', kid: 'ed', crit: ['exp'], exp: 1 })}.${signature}`,
      `${unsigned({ alg: 'EdDSA', typ: 'at+jwt', kid: 'ed', crit: ['b64'], b64: false })}.${signature}`,
      `${es256}.${Buffer.alloc(64).toString('base64url')}`,
      `${es256}.${Buffer.alloc(63, 1).toString('base64url')}`,
      `${es256}.${der.toString('base64url')}`,
      `${unsigned({ alg: 'RSA-OAEP', enc: 'A256GCM', typ: 'at+jwt' })}.AA.AA.AA`,
      `${head}.${encode({ ...claims(), scope: 'everything' })}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}..${signature}`,
      `.${body}.${signature}`,
      `${head}.${body}.${signature}.${signature}`,
      `${head}.${body}.${signature}=`,
      `${head}.${body}.${signature}\u0000`,
      `${encode('not JSON')}.${body}.${signature}`,
      `${encode('[]')}.${body}.${signature}`,
      `${encode('null')}.${body}.${signature}`,
      `${head}.${encode('7')}.${signature}`,
      '..',
      '...',
      'garbage',
      '{}',
      JSON.stringify({ payload: body, protected: head, signature }),
      'x'.repeat(9000),
      `${'x'.repeat(4000)}.${'x'.repeat(3000)}.x`
    ]
    for (const token of forged) await assertRefused(token)
    assert.ok(asked <= 2, `the keys were fetched ${asked} times`)
  })

  test('is refused whatever is changed in it, never with an error of ours', async () => {
    const token = await sign()
    await fc.assert(
      fc.asyncProperty(
        fc.nat(token.length - 1),
        fc.oneof(fc.constantFrom('', '.', '=', ' ', '\0', 'é'), fc.string({ maxLength: 3 })),
        async (at, by) => {
          const changed = token.slice(0, at) + by + token.slice(at + 1)
          if (isSameToken(changed, token)) return
          await assertRefused(changed)
        }
      ),
      { numRuns: 500 }
    )
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), async text => {
        const refused = await authenticate(text)
        assert.ok(refused instanceof Problem && refused.status === 401)
      })
    )
  })
})

describe('a token that was verified', () => {
  test('is known at once, without a promise and without its signature being verified again', async () => {
    const authorization = `Bearer ${await sign()}`
    const actor = await authenticate(authorization)
    served = { status: 500, type: 'text/plain', body: 'away' }
    assert.equal(authenticator.authenticate({ authorization }), actor)
    assert.equal(asked, 1)
  })

  test('dies when it expires', async () => {
    const authorization = `Bearer ${await sign({ exp: now() + 60 })}`
    assert.ok(!((await authenticate(authorization)) instanceof Problem))
    const wall = Date.now()
    mock.timers.enable({ apis: ['Date'], now: wall + 85_000 })
    try {
      assert.ok(!((await authenticate(authorization)) instanceof Problem))
      mock.timers.setTime(wall + 91_000)
      const refused = await authenticate(authorization)
      assert.ok(refused instanceof Problem && refused.status === 401)
    } finally {
      mock.timers.reset()
    }
  })
})

describe("the issuer's keys", () => {
  const garbage: [string, () => void][] = [
    ['an error', () => (served = { status: 500, type: 'text/plain', body: 'away' })],
    ['not found', () => (served = { ...honest(), status: 404 })],
    ['a page for people', () => (served = { status: 200, type: 'text/html', body: '<html>please log in</html>' })],
    ['an empty object', () => (served = { ...honest(), body: '{}' })],
    ['keys that are no list', () => (served = { ...honest(), body: '{"keys":"none"}' })],
    ['nothing', () => (served = { ...honest(), body: '' })]
  ]
  for (const [name, serve] of garbage) {
    test(`that cannot be had are no fault of the caller: ${name}`, async () => {
      const token = await sign()
      serve()
      await assertRefused(token, 503)
      served = honest()
      assert.ok(!((await authenticate(`Bearer ${token}`)) instanceof Problem), 'back at once')
    })
  }

  test('that nobody serves are no fault of the caller', async () => {
    const closed = createServer()
    await new Promise<void>(resolve => closed.listen(0, '127.0.0.1', resolve))
    const { port } = closed.address() as AddressInfo
    await new Promise(resolve => closed.close(resolve))
    await assertRefused(
      await sign(),
      503,
      open(() => `http://127.0.0.1:${port}/jwks`)
    )
  })

  test('are fetched once for many tokens, and not again for each token that names a key which is not there', async () => {
    for (let i = 0; i < 20; i++) await authenticate(`Bearer ${await sign({ jti: String(i) })}`)
    for (let i = 0; i < 200; i++) await assertRefused(`${unsigned({ alg: 'EdDSA', typ: 'at+jwt', kid: `unknown-${i}` })}.AA`)
    assert.ok(asked <= 2, `${asked} times`)
  })
})
