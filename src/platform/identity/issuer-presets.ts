/** What the access tokens of well-known identity providers look like, as data. */
import type { Claims } from './token.ts'

/** Where something stands in the claims: `scope`, `realm_access.roles`. `{audience}` is each audience that is ours. */
export type ClaimMapping = {
  roles: readonly string[]
  scopes: readonly string[]
  clientId: readonly string[]
  userId: readonly string[]
  /** What scopes of ours begin with; it is taken off, and other scopes do not count. */
  scopePrefix?: string
}

export type IssuerPreset = {
  /** What `typ` of the header may be, in small letters and without `application/`; none: it may be missing. */
  types: readonly (string | undefined)[]
  algorithms: readonly string[]
  /** Claims that its access tokens have, and its other tokens have not: with this value, or with any. */
  needs: Readonly<Record<string, string | true>>
  /** Claims that only its other tokens have. */
  refuses: readonly string[]
  /** The claim that says for whom a token is. */
  audience: string
  claims: ClaimMapping
  /** Whether a client acts for itself here, and not for a user. */
  isOfClient(claims: Claims, clientId: string): boolean
}

/** What OpenID Connect puts into ID tokens. */
const ofIdTokens = ['nonce', 'at_hash', 'c_hash']
const scope = ['scope']
const sub = ['sub']

export const issuerPresets = {
  /** RFC 9068 to the letter. */
  rfc9068: {
    types: ['at+jwt'],
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    needs: {},
    refuses: [],
    audience: 'aud',
    claims: { scopes: scope, roles: ['roles'], clientId: ['client_id'], userId: sub },
    isOfClient: (claims, clientId) => claims.sub === clientId
  },
  /** Earlier versions of it put a nonce into access tokens too: their kind is told by the `typ` of the claims. */
  keycloak: {
    types: ['jwt', 'at+jwt'],
    algorithms: ['RS256'],
    needs: { typ: 'Bearer' },
    refuses: ['at_hash', 'c_hash'],
    audience: 'aud',
    // Of the roles at clients only those at ours: other clients name theirs as they like.
    claims: {
      scopes: scope,
      roles: ['realm_access.roles', 'resource_access.{audience}.roles'],
      clientId: ['azp', 'client_id'],
      userId: sub
    },
    isOfClient: (claims, clientId) =>
      claims.sub === clientId ||
      // Only sessions of service accounts have the first; the second alone could be a name that a user chose.
      ((claims.client_id === clientId || claims.clientId === clientId) &&
        String(claims.preferred_username).startsWith('service-account-'))
  },
  auth0: {
    types: ['jwt', 'at+jwt'],
    algorithms: ['RS256'],
    needs: {},
    refuses: ofIdTokens,
    audience: 'aud',
    claims: { scopes: scope, roles: [], clientId: ['client_id', 'azp'], userId: sub },
    isOfClient: (claims, clientId) => claims.sub === `${clientId}@clients`
  },
  /** Tokens of version 2.0. */
  entra: {
    types: ['jwt'],
    algorithms: ['RS256'],
    needs: { ver: '2.0', azp: true },
    refuses: ofIdTokens,
    audience: 'aud',
    claims: { scopes: ['scp'], roles: ['roles'], clientId: ['azp'], userId: ['oid'] },
    isOfClient: claims => claims.idtyp === 'app' || (claims.scp === undefined && claims.sub === claims.oid)
  },
  /** Tokens of a custom authorization server. */
  okta: {
    types: [undefined, 'jwt', 'at+jwt'],
    algorithms: ['RS256'],
    needs: { cid: true },
    refuses: ofIdTokens,
    audience: 'aud',
    claims: { scopes: ['scp'], roles: ['groups'], clientId: ['cid'], userId: ['uid'] },
    isOfClient: (claims, clientId) => claims.sub === clientId && claims.uid === undefined
  },
  /** Its access tokens name no audience: the audience is the client that they were issued to. */
  cognito: {
    types: [undefined, 'jwt'],
    algorithms: ['RS256'],
    needs: { token_use: 'access' },
    refuses: ofIdTokens,
    audience: 'client_id',
    claims: { scopes: scope, roles: ['cognito:groups'], clientId: ['client_id'], userId: sub },
    isOfClient: (claims, clientId) => claims.sub === clientId
  }
} as const satisfies Record<string, IssuerPreset>

export type PresetName = keyof typeof issuerPresets

export const presetNames = Object.keys(issuerPresets) as PresetName[]
