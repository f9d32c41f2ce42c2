/** Tokens that nobody may accept: forged, of others, for others, of other times. Each differs from a good one in what its name says. */
import { createHmac, type KeyObject, sign } from 'node:crypto'
import { base64url, newIssuerKey, signatureOver, signed, type TestIssuer } from './issuer.ts'

/** The issuers that are trusted: `rs` signs with RS256, `es` with ES256, `ed` with EdDSA. Keys of one are not keys of another. */
export type Trusted = { rs: TestIssuer; es: TestIssuer; ed: TestIssuer; nowSeconds: number }

export type Forged = readonly [name: string, token: string]

export function forgedTokens(trusted: Trusted): Forged[] {
  return [
    ...withoutSignature(trusted),
    ...withSharedSecret(trusted),
    ...ofOtherKeys(trusted),
    ...byName(trusted),
    ...misshapen(trusted),
    ...ofOtherTimes(trusted),
    ...forOthers(trusted)
  ]
}

const text = (header: unknown, claims: unknown) => `${base64url(header)}.${base64url(claims)}`
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
const pem = (key: KeyObject, type: 'spki' | 'pkcs1') => String(key.export({ type, format: 'pem' }))

function withoutSignature({ rs }: Trusted): Forged[] {
  const claims = claimsOf(rs.token())
  const [head, body, signature] = rs.token().split('.')
  return [
    ...['none', 'None', 'nOnE', 'NONE', ''].flatMap((alg): Forged[] => [
      [`alg ${alg || 'empty'}, nothing signed`, `${text({ alg, typ: 'at+jwt', kid: rs.key.kid }, claims)}.`],
      [`alg ${alg || 'empty'}, with a signature`, `${text({ alg, typ: 'at+jwt', kid: rs.key.kid }, claims)}.${signature}`]
    ]),
    ['no alg', `${text({ typ: 'at+jwt', kid: rs.key.kid }, claims)}.${signature}`],
    ['an alg that is a list', `${text({ alg: ['RS256'], typ: 'at+jwt', kid: rs.key.kid }, claims)}.${signature}`],
    ['an empty signature', `${head}.${body}.`],
    ['no signature', `${head}.${body}`],
    ['the claims of somebody else', `${head}.${base64url({ ...claims, scope: 'catalog:write' })}.${signature}`]
  ]
}

/** A public key is no secret: whoever takes it for one believes everybody. */
function withSharedSecret({ rs }: Trusted): Forged[] {
  const { publicKey, kid, jwk } = rs.key
  const claims = claimsOf(rs.token())
  const secrets: [string, string | Buffer][] = [
    ['nothing', ''],
    ['the word secret', 'secret'],
    ['the public key in PEM', pem(publicKey, 'spki')],
    ['the public key in PEM without its last line end', pem(publicKey, 'spki').trim()],
    ['the public key in PEM of PKCS 1', pem(publicKey, 'pkcs1')],
    ['the public key in DER', publicKey.export({ type: 'spki', format: 'der' })],
    ['the public key as JWK', JSON.stringify(jwk)],
    ['the modulus of the public key', Buffer.from(String(jwk.n), 'base64url')]
  ]
  const under = (alg: string, secret: string | Buffer) => {
    const input = text({ alg, typ: 'at+jwt', kid }, claims)
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }
  return [
    ...secrets.map(([name, secret]): Forged => [`HS256 with ${name} as the secret`, under('HS256', secret)]),
    ['RS256 said of an HMAC with the public key', under('RS256', pem(publicKey, 'spki'))]
  ]
}

function ofOtherKeys({ rs, es, ed }: Trusted): Forged[] {
  const own = newIssuerKey('RS256', rs.key.kid)
  const ownEc = newIssuerKey('ES256', es.key.kid)
  const claims = claimsOf(rs.token())
  const es256 = es.token().split('.').slice(0, 2).join('.')
  const der = sign('sha256', Buffer.from(es256), { key: es.key.privateKey, dsaEncoding: 'der' }).toString('base64url')
  return [
    ['a key of nobody under the name of a good one', rs.token({}, {}, own)],
    ['a key of nobody on the right curve', es.token({}, {}, ownEc)],
    ['the key that it brings along (jwk)', rs.token({}, { jwk: own.jwk }, own)],
    ['the key at an address that it brings along (jku)', rs.token({}, { jku: 'http://127.0.0.1:9/jwks', kid: 'own' }, own)],
    ['a certificate at an address that it brings along (x5u)', rs.token({}, { x5u: 'http://127.0.0.1:9/cert' }, own)],
    ['a certificate that it brings along (x5c)', rs.token({}, { x5c: [base64url('certificate')] }, own)],
    ['the key of another issuer that is trusted too', rs.token({}, { typ: 'at+jwt' }, es.key)],
    ['the key of another issuer, in the name of its own kid', rs.token({}, { kid: rs.key.kid, alg: 'ES256' }, es.key)],
    ['the issuer of another key', rs.token({ iss: ed.url })],
    [
      'RS256 said of a key for ES256',
      `${text({ alg: 'RS256', typ: 'at+jwt', kid: es.key.kid }, claimsOf(es.token()))}.${signatureOver(es.key, es256)}`
    ],
    ['ES256 said of a key for RS256', rs.token({}, { alg: 'ES256' })],
    ['PS256 said of a key for RS256', signed({ ...rs.key, alg: 'PS256' }, { typ: 'at+jwt' }, claims)],
    ['EdDSA said of a key for RS256', rs.token({}, { alg: 'EdDSA' })],
    ['alg in small letters', rs.token({}, { alg: 'rs256' })],
    ['ES256 with r and s of nothing', `${es256}.${Buffer.alloc(64).toString('base64url')}`],
    ['ES256 with a signature that is too short', `${es256}.${Buffer.alloc(63, 1).toString('base64url')}`],
    ['ES256 with a signature that is too long', `${es256}.${Buffer.alloc(96, 1).toString('base64url')}`],
    ['ES256 with its signature in DER', `${es256}.${der}`],
    [
      'EdDSA with a signature of nothing',
      `${ed.token().split('.').slice(0, 2).join('.')}.${Buffer.alloc(64).toString('base64url')}`
    ]
  ]
}

/** The name of a key is looked up and nothing else is done with it. */
function byName({ rs }: Trusted): Forged[] {
  const names: [string, unknown][] = [
    ['unknown', 'unknown'],
    ['a path', '../../../../etc/passwd'],
    ['a device', '/dev/null'],
    ['SQL', "' or 1=1 --"],
    ['a command', '$(id)'],
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['toString', 'toString'],
    ['NUL', `${rs.key.kid}\0`],
    ['an address', 'http://127.0.0.1:9/key'],
    ['empty', ''],
    ['longer than any', 'x'.repeat(129)],
    ['4000 letters', 'x'.repeat(4000)],
    ['a number', 7],
    ['nothing', null],
    ['a list of the right one', [rs.key.kid]],
    ['an object', { kid: rs.key.kid }],
    ['left out', undefined]
  ]
  return names.map(([name, kid]): Forged => [`a kid that is ${name}`, rs.token({}, { kid })])
}

function misshapen({ rs }: Trusted): Forged[] {
  const good = rs.token()
  const [head, body, signature] = good.split('.')
  const claims = claimsOf(good)
  const { kid, alg } = rs.key
  return [
    ['something that must be understood (crit)', rs.token({}, { crit: ['exp'], exp: 1 })],
    ['crit of nothing', rs.token({}, { crit: [] })],
    ['a body that is not encoded (b64)', rs.token({}, { crit: ['b64'], b64: false })],
    ['b64 without crit', rs.token({}, { b64: true })],
    ['an encrypted token', `${base64url({ alg: 'RSA-OAEP', enc: 'A256GCM', kid })}.AA.AA.AA.AA`],
    ['a compressed body', rs.token({}, { zip: 'DEF' })],
    ['JSON serialization', JSON.stringify({ payload: body, protected: head, signature })],
    ['JSON serialization in base64url', base64url({ payload: body, protected: head, signature })],
    ['a detached body', `${head}..${signature}`],
    ['no header', `.${body}.${signature}`],
    ['four parts', `${good}.${signature}`],
    ['two tokens', `${good}${good}`],
    ['padding', `${good}=`],
    ['a line end within', good.replace('.', '.\n')],
    ['letters of other base64', `${head}.${body}.${'+/'.repeat(170)}`],
    ['NUL at the end', `${good}\0`],
    ['a header that is no JSON', `${base64url('not JSON')}.${body}.${signature}`],
    ['a header that is a list', `${base64url('[]')}.${body}.${signature}`],
    ['a header that is null', `${base64url('null')}.${body}.${signature}`],
    ['claims that are a number', signed(rs.key, { typ: 'at+jwt' }, '7')],
    ['claims that are a list', signed(rs.key, { typ: 'at+jwt' }, [claims])],
    ['claims that are a token again', signed(rs.key, { typ: 'at+jwt', cty: 'JWT' }, good)],
    ['claims that are no UTF-8', notUtf8(rs, { alg, kid, typ: 'at+jwt' })],
    ['nothing but dots', '..'],
    ['no token at all', 'garbage'],
    ['more than a token may have', rs.token({ more: 'x'.repeat(8192) })]
  ]
}

function notUtf8({ key }: TestIssuer, header: object): string {
  const input = `${base64url(header)}.${Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('base64url')}`
  return `${input}.${signatureOver(key, input)}`
}

function ofOtherTimes({ rs, nowSeconds: now }: Trusted): Forged[] {
  const wrong: [string, Record<string, unknown>][] = [
    ['exp half a minute ago', { exp: now - 31 }],
    ['exp long ago', { exp: 0 }],
    ['no exp', { exp: undefined }],
    ['exp as a text', { exp: String(now + 300) }],
    ['exp of null', { exp: null }],
    ['exp with a fraction', { exp: now + 300.5 }],
    ['exp past all calendars', { exp: 1e300 }],
    ['a negative exp', { exp: -1 }],
    ['exp as a list', { exp: [now + 300] }],
    ['nbf in half a minute', { nbf: now + 35 }],
    ['nbf as a text', { nbf: 'now' }],
    ['iat in half a minute', { iat: now + 35 }],
    ['iat as a text', { iat: 'now' }]
  ]
  // 1e999 is no number that JSON.stringify writes.
  const endless = base64url(JSON.stringify(claimsOf(rs.token({ exp: 123456789 }))).replace('123456789', '1e999'))
  const input = `${base64url({ alg: rs.key.alg, kid: rs.key.kid, typ: 'at+jwt' })}.${endless}`
  return [
    ...wrong.map(([name, claims]): Forged => [name, rs.token(claims)]),
    ['an endless exp', `${input}.${signatureOver(rs.key, input)}`]
  ]
}

function forOthers({ rs }: Trusted): Forged[] {
  const wrong: [string, Record<string, unknown>, Record<string, unknown>?][] = [
    ['another issuer', { iss: 'https://other.example' }],
    ['the issuer with a slash', { iss: `${rs.url}/` }],
    ['the issuer in capitals', { iss: rs.url.toUpperCase() }],
    ['the issuer as a list', { iss: [rs.url] }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'urn:other' }],
    ['no audience', { aud: undefined }],
    ['an empty list of audiences', { aud: [] }],
    ['an audience that begins with ours', { aud: ['urn:product-service-2'] }],
    ['an audience that is an object', { aud: { 'urn:product-service': true } }],
    ['no subject', { sub: undefined }],
    ['an empty subject', { sub: '' }],
    ['a subject that is a number', { sub: 7 }],
    ['a subject with NUL', { sub: 'a\0b' }],
    ['a subject with half a character', { sub: '\ud800' }],
    ['a subject that is too long', { sub: 'x'.repeat(256) }],
    ['no client', { client_id: undefined }],
    ['a client that is a list', { client_id: ['shop'] }],
    ['a key of its holder to be proved (cnf)', { cnf: { jkt: 'thumbprint' } }],
    ['the type JWT', {}, { typ: 'JWT' }],
    ['no type', {}, { typ: undefined }],
    ['a type that is a list', {}, { typ: ['at+jwt'] }],
    ['the type of an ID token', { nonce: 'n', at_hash: 'h' }, { typ: 'id_token' }],
    ['the type of a proof', {}, { typ: 'dpop+jwt' }],
    ['the type of a logout token', {}, { typ: 'logout+jwt' }],
    ['a type that begins with ours', {}, { typ: 'at+jwt+x' }]
  ]
  return wrong.map(([name, claims, header = {}]): Forged => [name, rs.token(claims, header)])
}
