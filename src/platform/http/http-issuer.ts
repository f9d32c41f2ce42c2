/**
 * The development issuer, and the only door to the OAuth library: access tokens as RFC 9068 describes them, for a client
 * (client credentials) or for a user in whose name a client acts (token exchange, RFC 8693). Nothing is stored: tokens are signed and
 * expire. Production has an identity provider of its own.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import Provider, { type ClientAuthMethod, errors, type JWK, type KoaContextWithOIDC } from 'oidc-provider'
import type { Log } from '../log.ts'

export type SigningKey = JWK & { kid: string }

export type Issuer = {
  /** What tokens name in `iss`; the endpoints stand below it: `http://localhost:8080/oauth`. */
  issuer: string
  audience: string
  signingKey: SigningKey
  clients: readonly { clientId: string; secret: string; scopes: readonly string[] }[]
  /** Whether there may be tokens for this user. */
  userMayAct(userId: string): Promise<boolean>
  log: Log
}

/** RFC 8693 §3 leaves naming other tokens to us: the subject is simply a user's id. */
export const USER_ID_TOKEN_TYPE = 'urn:product-service:token-type:user-id'

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const GRANTS = ['client_credentials', TOKEN_EXCHANGE]
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
const AUTH_METHODS: ClientAuthMethod[] = ['client_secret_basic', 'client_secret_post']
const LIFETIME_SECONDS = 3600
const PREFIX = '/oauth'

export function newSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'EdDSA', use: 'sig' } as SigningKey
}

/** Serves /oauth/token, /oauth/jwks and the discovery documents. Errors are those of RFC 6749 §5.2. */
export function mountIssuer(app: FastifyInstance, issuer: Issuer): void {
  const answer = providerFor(issuer).callback()
  const { protocol, host } = new URL(issuer.issuer)
  app.register(async scope => {
    // The library reads the body itself.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    const mount = (method: 'GET' | 'POST', path: string, operationId: string) =>
      scope.route({
        method: [method, 'OPTIONS'],
        url: `${PREFIX}${path}`,
        config: { operationId },
        handler(request, reply) {
          const { raw } = request
          for (const [name, value] of Object.entries(reply.getHeaders())) if (value) reply.raw.setHeader(name, value)
          // Addresses in documents begin with the issuer's, whatever the Host that a gateway sends.
          Object.assign(raw.headers, { 'x-forwarded-host': host, 'x-forwarded-proto': protocol.slice(0, -1) })
          const originalUrl = raw.url!
          Object.assign(raw, { originalUrl, url: originalUrl.slice(PREFIX.length) })
          reply.raw.prependOnceListener('finish', () => Object.assign(raw, { url: originalUrl }))
          reply.hijack()
          answer(raw, reply.raw)
        }
      })
    mount('POST', '/token', 'issueToken')
    mount('GET', '/jwks', 'getIssuerKeys')
    mount('GET', '/.well-known/openid-configuration', 'getIssuerMetadata')
    mount('GET', '/.well-known/oauth-authorization-server', 'getIssuerMetadata')
  })
}

function providerFor({ issuer, audience, signingKey, clients, userMayAct, log }: Issuer): Provider {
  const provider = new Provider(issuer, {
    adapter: () => nowhere,
    jwks: { keys: [signingKey] },
    clients: clients.map(({ clientId, secret }) => ({
      client_id: clientId,
      client_secret: secret,
      grant_types: GRANTS,
      redirect_uris: [],
      response_types: []
    })),
    clientAuthMethods: AUTH_METHODS,
    clientDefaults: { id_token_signed_response_alg: 'EdDSA' },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false }
    },
    // It is for development: pages of any origin, such as the API's own documentation, may ask for a token.
    clientBasedCORS: () => true,
    renderError(ctx, out) {
      ctx.body = out
    },
    ttl: { AccessToken: LIFETIME_SECONDS, ClientCredentials: LIFETIME_SECONDS },
    // An access token for a user says on whose behalf (`sub`) and by whom (`act`): RFC 8693 §4.1.
    extraTokenClaims: (_ctx, token) => (token.kind === 'AccessToken' ? { act: { sub: token.clientId } } : undefined)
  })
  provider.proxy = true
  provider.on('server_error', (_ctx, error) => log.error({ unit: 'issuer', err: error }, 'unexpected error'))

  // The library can do more than this issuer does; its metadata (RFC 8414) says what this does.
  provider.use(async (ctx, next) => {
    await next()
    if (ctx.oidc?.route !== 'discovery') return
    const { issuer, token_endpoint, jwks_uri } = ctx.body as Record<string, string>
    ctx.body = {
      issuer,
      token_endpoint,
      jwks_uri,
      scopes_supported: [...new Set(clients.flatMap(client => client.scopes))],
      response_types_supported: [],
      grant_types_supported: GRANTS,
      token_endpoint_auth_methods_supported: AUTH_METHODS
    }
  })

  const resourceServer = new provider.ResourceServer(audience, {
    audience,
    scope: '',
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'EdDSA' } }
  })

  const grantedScope = ({ oidc }: KoaContextWithOIDC) => {
    const allowed = clients.find(client => client.clientId === oidc.client!.clientId)?.scopes ?? []
    const asked = (oidc.params?.scope as string | undefined)?.split(' ') ?? allowed
    const refused = asked.filter(scope => !allowed.includes(scope))
    if (refused.length > 0) throw new errors.InvalidScope('the client may not ask for this scope', refused.join(' '))
    return asked.join(' ')
  }

  provider.registerGrantType(
    'client_credentials',
    async ctx => {
      const scope = grantedScope(ctx)
      const token = new provider.ClientCredentials({ client: ctx.oidc.client!, scope, resourceServer })
      ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: token.expiration, scope }
    },
    ['scope']
  )

  provider.registerGrantType(
    TOKEN_EXCHANGE,
    async ctx => {
      const { subject_token: accountId, subject_token_type, requested_token_type = ACCESS_TOKEN_TYPE } = ctx.oidc.params!
      if (subject_token_type !== USER_ID_TOKEN_TYPE)
        throw new errors.InvalidRequest(`subject_token_type must be ${USER_ID_TOKEN_TYPE}`)
      if (requested_token_type !== ACCESS_TOKEN_TYPE) throw new errors.InvalidRequest('only access tokens are issued')
      if (!isUserId(accountId) || !(await userMayAct(accountId)))
        throw new errors.InvalidRequest('subject_token is not the id of an active user')
      const scope = grantedScope(ctx)
      const client = ctx.oidc.client!
      const token = new provider.AccessToken({ client, accountId, scope, resourceServer, grantId: '', gty: 'token_exchange' })
      ctx.body = {
        access_token: await token.save(),
        issued_token_type: ACCESS_TOKEN_TYPE,
        token_type: 'Bearer',
        expires_in: token.expiration,
        scope
      }
    },
    ['subject_token', 'subject_token_type', 'requested_token_type', 'scope']
  )
  return provider
}

const isUserId = (text: unknown): text is string => typeof text === 'string' && /^[\x21-\x7e]{1,128}$/.test(text)

/** The library's store: there is nothing to keep, and clients that are not in the list are unknown. */
const nowhere = {
  upsert: async () => {},
  find: async () => undefined,
  findByUserCode: async () => undefined,
  findByUid: async () => undefined,
  consume: async () => {},
  destroy: async () => {},
  revokeByGrantId: async () => {}
}
