/** API keys, by which partners' programs authenticate. What a key is made of is in `src/platform/identity/api-key.ts`. */
import { type Static, Type } from 'typebox'
import { apiKeyScopes, type Scope } from '../scopes.ts'
import { LiveSecret } from './live-secret.ts'
import { Instant } from './price.ts'
import { closed, Id, Line, List, Nullable, Timestamp, Version } from './primitives.ts'

const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const ipv4 = `${octet}(\\.${octet}){3}/(3[0-2]|[12]?\\d)`
const group = '[0-9a-fA-F]{1,4}'
// `::` stands for at least one group; what comes before and after it together is checked when the key is created.
const ipv6 = `(${group}(:${group}){7}|(${group}(:${group}){0,6})?::(${group}(:${group}){0,6})?)/(12[0-8]|1[01]\\d|[1-9]?\\d)`

const Network = Type.String({
  maxLength: 43,
  pattern: `^(${ipv4}|${ipv6})$`,
  description: 'Addresses as CIDR: 203.0.113.0/24, 2001:db8::/32'
})

const KeyScope = Type.Unsafe<Scope>(Type.Union(apiKeyScopes.map(scope => Type.Literal(scope))))

export const SECRETS_MAX = 2

const ApiKeySecret = LiveSecret('Until when it is good; null: as long as the key', {
  title: 'ApiKeySecret',
  description: 'One of the secrets that a key has now: when it is from, never what it is'
})

const apiKey = {
  apiKeyId: Id('The key; also readable in it, after the environment and without hyphens'),
  name: Line(200, 'Whose it is and what for'),
  scopes: Type.Array(Type.String(), { description: 'What it allows' }),
  networks: Type.Array(Type.String(), { description: 'From where it is good; empty: from anywhere' }),
  expiresAt: Nullable(
    Type.String({ format: 'date-time', maxLength: 40, description: 'Until when it is good; null: until it is deleted' })
  ),
  secrets: Type.Array(ApiKeySecret, { description: `The secrets that are good now, at most ${SECRETS_MAX}, the oldest first` }),
  lastUsedAt: Nullable(
    Type.String({
      format: 'date-time',
      maxLength: 40,
      description: 'When it last let somebody in, to the minute. Its change alone makes no new version'
    })
  ),
  createdBy: Type.String({ description: 'The subject of who gave it out' }),
  version: Version,
  createdAt: Timestamp,
  updatedAt: Timestamp
}

export const ApiKey = Type.Object(apiKey, { title: 'ApiKey' })
export type ApiKey = Static<typeof ApiKey>

export const IssuedApiKey = Type.Object(
  {
    ...apiKey,
    key: Nullable(
      Type.String({
        description:
          'What the partner sends as X-API-Key. Told in the first answer only: null in the answer to a repetition of the request, since it is kept nowhere'
      })
    )
  },
  { title: 'IssuedApiKey' }
)
export type IssuedApiKey = Static<typeof IssuedApiKey>

export const CreateApiKey = Type.Object(
  {
    name: Line(200, 'Whose it is and what for'),
    scopes: Type.Array(KeyScope, {
      minItems: 1,
      maxItems: 50,
      uniqueItems: true,
      description: 'What it allows: at most what whoever creates it may do'
    }),
    networks: Type.Optional(
      Type.Array(Network, { maxItems: 50, default: [], description: 'From where it is good; without it from anywhere' })
    ),
    expiresAt: Type.Optional(Nullable(Instant('Until when it is good, in the future; null: until it is deleted')))
  },
  { ...closed, title: 'CreateApiKey' }
)

export const RotateApiKey = Type.Object(
  {
    previousEndsAt: Type.Optional(
      Instant('When the secret that there was before ends; a time that is past: at once. Without it 24 hours from now')
    )
  },
  { ...closed, title: 'RotateApiKey' }
)

export const ApiKeyList = List(ApiKey, 'ApiKeyList')

export const IntrospectApiKey = Type.Object(
  {
    apiKeyId: Id('The key that a request came with'),
    digest: Type.String({
      minLength: 43,
      maxLength: 43,
      pattern: '^[A-Za-z0-9_-]{43}$',
      description: 'SHA-256 of its secret, base64url: the secret itself stays with who was shown it'
    })
  },
  { ...closed, title: 'IntrospectApiKey' }
)

export const ApiKeyStanding = Type.Object(
  {
    active: Type.Boolean({ description: 'Whether there is such a key with such a secret, and both are good now' }),
    scopes: Type.Array(Type.String(), { description: 'What it allows; nothing where it is not active' }),
    networks: Type.Array(Type.String(), { description: 'From where it is good, as CIDR; empty: from anywhere' }),
    expiresAt: Nullable(
      Type.String({ format: 'date-time', maxLength: 40, description: 'When it or its secret ends; null: not yet known' })
    )
  },
  { title: 'ApiKeyStanding' }
)
export type ApiKeyStanding = Static<typeof ApiKeyStanding>
