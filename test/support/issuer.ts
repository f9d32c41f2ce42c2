/**
 * An identity provider of somebody else: metadata, keys and tokens as Keycloak and others make them, with nothing of ours. Its keys
 * rotate, and its answers can be an outage, garbage, or whatever a test wants.
 */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA'
export type IssuerKey = { kid: string; alg: Algorithm; privateKey: KeyObject; publicKey: KeyObject; jwk: Record<string, unknown> }

const pairs: Record<Algorithm, () => { privateKey: KeyObject; publicKey: KeyObject }> = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519')
}

export function newIssuerKey(alg: Algorithm = 'RS256', kid: string = randomUUID()): IssuerKey {
  const { privateKey, publicKey } = pairs[alg]()
  return { kid, alg, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

export const base64url = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

/** A compact JWS over a header and claims. What is undefined in them is left out. */
export function signed(key: IssuerKey, header: Record<string, unknown>, claims: unknown): string {
  const input = `${base64url({ alg: key.alg, kid: key.kid, ...header })}.${base64url(claims)}`
  return `${input}.${signatureOver(key, input)}`
}

export function signatureOver({ alg, privateKey }: Pick<IssuerKey, 'alg' | 'privateKey'>, input: string): string {
  const hash = alg === 'EdDSA' ? null : 'sha256'
  const pss = alg === 'PS256' ? { padding: 6, saltLength: 32 } : {}
  return sign(hash, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363', ...pss }).toString('base64url')
}

/** Answers a request in a way of its own. */
export type OwnAnswer = (response: ServerResponse, request: IncomingMessage) => void

export const outage: OwnAnswer = response => void response.writeHead(503).end('away')
export const garbage: OwnAnswer = response =>
  void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>')

export interface TestIssuer extends AsyncDisposable {
  /** What its tokens name in `iss`, and below which its metadata is. */
  readonly url: string
  readonly keysUrl: string
  /** The key that signs. */
  key: IssuerKey
  /** What is published from now on. */
  published: Record<string, unknown>[]
  /** Answers in place of the keys, of the metadata, until it is taken away. */
  keysAnswer: OwnAnswer | undefined
  metadataAnswer: OwnAnswer | undefined
  introspectionAnswer: OwnAnswer | undefined
  /** How often it was asked for keys, for metadata, what a token is worth. */
  readonly asked: { keys: number; metadata: number; introspection: number }
  /** What its opaque tokens are worth; of any other it says that it is not active. */
  readonly opaque: Map<string, Record<string, unknown>>
  /** Where that is asked (RFC 7662), and by whom. */
  readonly introspection: { url: string; clientId: string; clientSecret: string }
  /** Signs with another key from now on; the one before stays published unless it is told otherwise. */
  rotate(how?: { keepBefore?: boolean; alg?: Algorithm }): IssuerKey
  /** An access token as RFC 9068 has it. */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>, key?: IssuerKey): string
  /** An access token as Keycloak makes them, of a user. */
  keycloakToken(claims?: Record<string, unknown>, header?: Record<string, unknown>): string
  /** An opaque token that is worth what an access token of RFC 9068 says, but for these claims. */
  opaqueToken(claims?: Record<string, unknown>): string
}

/** `path` is the issuer's own, such as /realms/shop; `now` its clock, in milliseconds. */
export async function startIssuer(
  options: { path?: string; alg?: Algorithm; audience?: string; now?: () => number } = {}
): Promise<TestIssuer> {
  const { path = '/realms/shop', alg = 'RS256', audience = 'urn:product-service', now = Date.now } = options
  const server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  const key = newIssuerKey(alg)
  const keysPath = `${path}/protocol/openid-connect/certs`
  const asked = { keys: 0, metadata: 0, introspection: 0 }
  const opaque = new Map<string, Record<string, unknown>>()
  const introspectionPath = `${path}/introspect`
  // A secret that is not what is sent: RFC 6749 §2.3.1 encodes it first.
  const introspection = {
    url: new URL(introspectionPath, url).href,
    clientId: 'product service',
    clientSecret: 'a secret: 100 % + more'
  }
  const common = () => {
    const iat = Math.floor(now() / 1000)
    return { iss: url, aud: audience, sub: 'u-1', iat, exp: iat + 300, jti: randomUUID() }
  }

  const issuer: TestIssuer = {
    url,
    keysUrl: new URL(keysPath, url).href,
    key,
    published: [key.jwk],
    keysAnswer: undefined,
    metadataAnswer: undefined,
    introspectionAnswer: undefined,
    asked,
    opaque,
    introspection,
    rotate({ keepBefore = true, alg = issuer.key.alg } = {}) {
      issuer.key = newIssuerKey(alg)
      issuer.published = keepBefore ? [issuer.key.jwk, ...issuer.published] : [issuer.key.jwk]
      return issuer.key
    },
    token: (claims = {}, header = {}, by = issuer.key) =>
      signed(by, { typ: 'at+jwt', ...header }, { ...common(), client_id: 'shop', scope: 'catalog:read', ...claims }),
    keycloakToken(claims = {}, header = {}) {
      const ofUser = {
        typ: 'Bearer',
        azp: 'storefront',
        sid: randomUUID(),
        acr: '1',
        scope: 'openid profile email',
        preferred_username: 'ada',
        realm_access: { roles: ['default-roles-shop', 'offline_access', 'viewer'] },
        resource_access: { account: { roles: ['manage-account'] } }
      }
      return signed(issuer.key, { typ: 'JWT', ...header }, { ...common(), ...ofUser, ...claims })
    },
    opaqueToken(claims = {}) {
      const token = randomUUID()
      opaque.set(token, { active: true, ...common(), client_id: 'shop', scope: 'catalog:read', ...claims })
      return token
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const json = (value: unknown) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (request.url === keysPath) {
      asked.keys++
      if (issuer.keysAnswer) issuer.keysAnswer(response, request)
      else json({ keys: issuer.published })
    } else if (request.url === `${path}/.well-known/openid-configuration`) {
      asked.metadata++
      if (issuer.metadataAnswer) issuer.metadataAnswer(response, request)
      else json({ issuer: url, jwks_uri: issuer.keysUrl })
    } else if (request.url === introspectionPath) {
      asked.introspection++
      if (issuer.introspectionAnswer) issuer.introspectionAnswer(response, request)
      else void introspect(request).then(worth => (worth ? json(worth) : response.writeHead(401).end()))
    } else response.writeHead(404).end()
  }

  async function introspect(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
    const form = new URLSearchParams(await text(request))
    const [id, secret] = atob(request.headers.authorization?.replace(/^Basic /, '') ?? '').split(':')
    const decoded = (part: string | undefined) => decodeURIComponent((part ?? '').replaceAll('+', ' '))
    if (decoded(id) !== introspection.clientId || decoded(secret) !== introspection.clientSecret) return undefined
    return opaque.get(form.get('token') ?? '') ?? { active: false }
  }
  return issuer
}
