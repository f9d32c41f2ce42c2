/** API keys of partners over HTTP: given out, looked at, exchanged, taken back, and examined by the services that are shown one. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import {
  ApiKey,
  ApiKeyList,
  ApiKeyStanding,
  CreateApiKey,
  IntrospectApiKey,
  IssuedApiKey,
  RotateApiKey,
  SECRETS_MAX
} from '../resources/api-key.ts'
import { closed, Id, page } from '../resources/primitives.ts'

const apiKeyId = Type.Object({ apiKeyId: Id('The key') })

export const apiKeyOperations = {
  listApiKeys: {
    method: 'GET',
    path: '/v1/api-keys',
    tag: 'API keys',
    summary: 'List API keys, oldest first',
    scope: 'api-keys:read',
    query: Type.Object({ ...page }, closed),
    reply: { status: 200, body: ApiKeyList, description: 'A page of keys, without their secrets' },
    problems: ['invalid-cursor']
  },
  createApiKey: {
    method: 'POST',
    path: '/v1/api-keys',
    tag: 'API keys',
    summary: 'Give out an API key',
    description:
      'The key is in this answer and nowhere else. When the answer gets lost, the same request with the same Idempotency-Key is answered with the key as null: rotate it then, or delete it.',
    scope: 'api-keys:write',
    body: CreateApiKey,
    reply: { status: 201, body: IssuedApiKey, description: 'The key, shown once' },
    location: '/v1/api-keys/{apiKeyId}',
    shownOnce: ['key'],
    conditional: true
  },
  getApiKey: {
    method: 'GET',
    path: '/v1/api-keys/{apiKeyId}',
    tag: 'API keys',
    summary: 'Get an API key, without its secrets',
    scope: 'api-keys:read',
    params: apiKeyId,
    reply: { status: 200, body: ApiKey, description: 'The key' },
    conditional: true
  },
  rotateApiKey: {
    method: 'POST',
    path: '/v1/api-keys/{apiKeyId}/rotate',
    tag: 'API keys',
    summary: 'Give an API key a new secret; the one before stays good for a while',
    description: `The key with the new secret is in this answer and nowhere else. A key has at most ${SECRETS_MAX} secrets that are good: delete one, or wait for its end, before the next. Needs every scope that the key has.`,
    scope: 'api-keys:write',
    params: apiKeyId,
    body: RotateApiKey,
    reply: { status: 200, body: IssuedApiKey, description: 'The key with its new secret, shown once' },
    problems: ['illegal-transition'],
    shownOnce: ['key'],
    conditional: true
  },
  deleteApiKeySecret: {
    method: 'DELETE',
    path: '/v1/api-keys/{apiKeyId}/secrets/{secretId}',
    tag: 'API keys',
    summary: 'End one secret of an API key; every service refuses it within five seconds',
    description: 'With its last secret a key is good for nothing until it is rotated.',
    scope: 'api-keys:write',
    params: Type.Object({ apiKeyId: Id('The key'), secretId: Id('The secret') }),
    reply: { status: 204, description: 'It is gone' }
  },
  deleteApiKey: {
    method: 'DELETE',
    path: '/v1/api-keys/{apiKeyId}',
    tag: 'API keys',
    summary: 'Take an API key back for good; every service refuses it within five seconds',
    scope: 'api-keys:write',
    params: apiKeyId,
    reply: { status: 204, description: 'It is gone' },
    conditional: true
  },
  introspectApiKey: {
    method: 'POST',
    path: '/v1/api-keys/introspection',
    tag: 'API keys',
    summary: 'Say what an API key allows, to a service that was shown it',
    scope: 'api-keys:introspect',
    body: IntrospectApiKey,
    reply: { status: 200, body: ApiKeyStanding, description: 'Whether it is good, and what for' },
    audit: 'nothing'
  }
} as const satisfies Record<string, Operation>
