/** What every service answers about itself. Anybody may ask; these paths stand outside the versioned API. */
import { Type } from 'typebox'
import { type JsonObject, type NamedSchemas, plainSchema } from './json-schema.ts'
import { header } from './openapi-problems.ts'

const Health = Type.Object(
  { status: Type.String({ description: 'ok, or what is wrong' }) },
  { title: 'Health', description: 'Services add what they looked at' }
)

/** The paths that every service serves, as OpenAPI path items. */
export function operationalPaths(schemas: NamedSchemas): JsonObject {
  const health = { 'application/json': { schema: schemas.refer(plainSchema(Health)) } }
  return {
    '/health/live': get('getLiveness', 'Whether the process runs', { '200': { description: 'It runs', content: health } }),
    '/health/ready': get('getReadiness', 'Whether it can do its work now', {
      '200': { description: 'Send it requests', content: health },
      '503': {
        description: 'Send it none: something that it depends on is away, or it is stopping',
        headers: { 'Retry-After': header('Retry-After') },
        content: health
      }
    }),
    '/metrics': get('getMetrics', 'Its figures, in the text format of Prometheus', {
      '200': { description: 'The figures', content: { 'text/plain': { schema: { type: 'string' } } } }
    }),
    '/.well-known/jwks.json': get('getKeySet', 'The public keys that verify the events of this service', {
      '200': {
        description: 'A JSON Web Key Set (RFC 7517) of Ed25519 keys',
        content: { 'application/jwk-set+json': { schema: { type: 'object' } } }
      },
      '304': { description: 'The copy of If-None-Match is current' }
    }),
    '/openapi.json': get('getOpenApi', 'This document', {
      '200': { description: 'OpenAPI 3.1', content: { 'application/json': { schema: { type: 'object' } } } }
    })
  }
}

function get(operationId: string, summary: string, responses: JsonObject): JsonObject {
  return { get: { operationId, tags: ['Running'], summary, responses, security: [], 'x-required-scope': null } }
}
