/** OpenAPI 3.1 documents, made from the contracts: one per service, and one for all of them behind the gateway. */
import type { TSchema } from 'typebox'
import type { Api, Operation } from './define.ts'
import { type Json, type JsonObject, NamedSchemas, plainSchema } from './json-schema.ts'
import { deprecationHeaders, lifecycleInOpenApi, lifecycleInWords } from './lifecycle.ts'
import { operationalPaths } from './openapi-operational.ts'
import {
  header,
  honoursIfMatch,
  nameProblemSchemas,
  problemResponses,
  quotaHeaders,
  sharedProblemResponses
} from './openapi-problems.ts'
import { COMMAS } from './resources/primitives.ts'
import { apiKeyScopes, scopes } from './scopes.ts'

/** The document of one service. */
export function openApi(api: Api): JsonObject {
  return documentOf(api, [api])
}

/** One document for all services behind one address. Equal schemas become one; different ones with one name throw. */
export function mergedOpenApi(apis: readonly Api[]): JsonObject {
  const description = ['Every service behind one address.', ...apis.map(api => `- ${api.title}: ${api.description}`)].join('\n')
  return documentOf({ title: 'Commerce API', version: '1.0.0', description }, apis)
}

/** What holds for every operation; part of each document's description. */
const rules = `
Input is strict: unknown members and unknown query parameters are refused, and a body's members are never converted.
Output may gain members: ignore those you do not know. Enumerations with \`x-extensible\` may gain words there. Errors are application/problem+json (RFC 9457); go by \`code\`.
A retried mutation with the same Idempotency-Key takes effect once.`

function documentOf(info: Pick<Api, 'title' | 'version' | 'description'>, apis: readonly Api[]): JsonObject {
  const schemas = new NamedSchemas('#/components/schemas/')
  nameProblemSchemas(schemas)
  const paths: Record<string, JsonObject> = {}
  for (const api of apis) {
    for (const [name, operation] of Object.entries(api.operations)) {
      const path = paths[operation.path] ?? {}
      const method = operation.method.toLowerCase()
      if (path[method]) throw new Error(`two operations are ${operation.method} ${operation.path}`)
      paths[operation.path] = { ...path, [method]: operationObject(name, operation, schemas) }
    }
  }
  Object.assign(paths, operationalPaths(schemas))
  const tags = [...new Set(apis.flatMap(api => Object.values(api.operations).map(operation => operation.tag)))]
  const responses = onlyReferred(sharedProblemResponses(), 'responses', paths)
  return {
    openapi: '3.1.0',
    info: {
      title: info.title,
      version: info.version,
      description: `${info.description}\n${rules}`,
      license: { name: 'Apache License 2.0', identifier: 'Apache-2.0' }
    },
    servers: [{ url: '/' }],
    tags: [...tags, 'Running'].map(name => ({ name })),
    paths,
    components: {
      schemas: schemas.all(),
      responses,
      parameters: onlyReferred(headerParameters, 'parameters', paths),
      headers: onlyReferred(responseHeaders, 'headers', [paths, responses]),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token of the configured issuer' },
        apiKey: {
          type: 'apiKey',
          in: 'header',
          name: 'X-API-Key',
          description: 'An API key, which stands for a partner’s program'
        },
        oauth2: {
          type: 'oauth2',
          description: 'How a service gets its access token; this token endpoint is the development issuer’s',
          flows: { clientCredentials: { tokenUrl: '/oauth/token', scopes: { ...scopes } } }
        }
      }
    }
  }
}

function onlyReferred(components: JsonObject, section: string, by: Json): JsonObject {
  const text = JSON.stringify(by)
  return Object.fromEntries(Object.entries(components).filter(([name]) => text.includes(`"#/components/${section}/${name}"`)))
}

function operationObject(operationId: string, operation: Operation, schemas: NamedSchemas): JsonObject {
  const { tag, summary, scope } = operation
  const description = [operation.description, lifecycleInWords(operation)].filter(Boolean).join('\n\n')
  const parameters = parametersOf(operation, schemas)
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description ? { description } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(operation.body ? { requestBody: requestBodyOf(operation, operation.body, schemas) } : {}),
    ...(operation.consumes ? { requestBody: uploadOf(operation.consumes, schemas) } : {}),
    responses: { ...repliesOf(operation, schemas), ...problemResponses(operation) },
    security: securityOf(scope),
    ...lifecycleInOpenApi(operation),
    'x-required-scope': scope
  }
}

/** Any of these is enough. */
function securityOf(scope: Operation['scope']): Json[] {
  if (scope === null) return []
  return [{ bearer: [] }, { oauth2: [scope] }, ...(apiKeyScopes.includes(scope) ? [{ apiKey: [] }] : [])]
}

function parametersOf(operation: Operation, schemas: NamedSchemas): Json[] {
  const { params, query, method, conditional, revalidated, idempotency } = operation
  const named: string[] = []
  if (method !== 'GET') named.push(idempotency === 'required' ? 'RequiredIdempotencyKey' : 'IdempotencyKey')
  if (honoursIfMatch(operation)) named.push('IfMatch')
  if (method === 'GET' && (conditional || revalidated)) named.push('IfNoneMatch')
  if (operation.reply.stream) named.push('LastEventId')
  return [
    ...valuesIn('path', params, schemas),
    ...valuesIn('query', query, schemas),
    ...named.map(name => ({ $ref: `#/components/parameters/${name}` }))
  ]
}

function valuesIn(where: 'path' | 'query', schema: TSchema | undefined, schemas: NamedSchemas): Json[] {
  if (!schema) return []
  const {
    properties = {},
    required = [],
    dependentRequired = {}
  } = plainSchema(schema) as {
    properties?: Record<string, JsonObject>
    required?: string[]
    dependentRequired?: Record<string, string[]>
  }
  return Object.entries(properties).map(([name, { description, [COMMAS]: commas, ...value }]) => {
    const together = dependentRequired[name]?.map(other => `\`${other}\``).join(' and ')
    const words = [description, together && `Only together with ${together}`].filter(Boolean).join('. ')
    return {
      name,
      in: where,
      ...(words ? { description: words } : {}),
      required: required.includes(name),
      ...(commas ? { style: 'form', explode: false } : {}),
      schema: schemas.refer(value)
    }
  })
}

/** The same as an empty object, a body may be left out where nothing in it is required. */
function requestBodyOf(operation: Operation, body: TSchema, schemas: NamedSchemas): JsonObject {
  const usual = operation.method === 'PATCH' ? ['application/merge-patch+json', 'application/json'] : ['application/json']
  const plain = plainSchema(body)
  const schema = schemas.refer(plain)
  return {
    required: plain.properties === undefined || plain.required !== undefined,
    content: Object.fromEntries(usual.map(type => [type, { schema }]))
  }
}

/** A body that is read as it comes: one value a line, or text that has no schema. */
function uploadOf(consumes: NonNullable<Operation['consumes']>, schemas: NamedSchemas): JsonObject {
  const content = Object.entries(consumes).map(([type, line]) => [type, { schema: linesOf(line, schemas) }])
  return { required: true, content: Object.fromEntries(content) }
}

function linesOf(line: TSchema | null | undefined, schemas: NamedSchemas): JsonObject {
  return line ? schemas.refer(plainSchema(line)) : { type: 'string' }
}

function repliesOf(operation: Operation, schemas: NamedSchemas): JsonObject {
  const { status, body, mediaType, stream, description } = operation.reply
  const headers: JsonObject = { 'X-Request-Id': header('X-Request-Id'), ...quotaHeaders }
  for (const name of deprecationHeaders(operation)) headers[name] = header(name)
  if ((operation.conditional || operation.revalidated) && body) headers.ETag = header('ETag')
  if (operation.location) headers.Location = header('Location')
  if (operation.method !== 'GET') headers['Idempotency-Replayed'] = header('Idempotency-Replayed')
  for (const [name, schema] of Object.entries(operation.reply.headers ?? {})) headers[name] = valueIn(schema)
  const sent = mediaType
    ? { [mediaType]: { schema: linesOf(body, schemas) } }
    : body && { 'application/json': { schema: linesOf(body, schemas) } }
  const streamed = stream ? { [stream]: { schema: { type: 'string' } } } : {}
  const content = sent ? { content: { ...sent, ...streamed } } : {}
  const replies: JsonObject = { [String(status)]: { description, headers, ...content } }
  if (operation.method === 'GET' && (operation.conditional || operation.revalidated)) {
    const unchanged = { 'X-Request-Id': header('X-Request-Id'), ETag: header('ETag') }
    replies['304'] = { description: 'It is still the version in If-None-Match', headers: unchanged }
  }
  return replies
}

/** A header of a reply: its schema, with the words beside it. */
function valueIn(schema: TSchema): JsonObject {
  const { description, ...value } = plainSchema(schema)
  return { ...(description ? { description } : {}), required: true, schema: value }
}

const keyParameter = (required: boolean, description: string): JsonObject => ({
  name: 'Idempotency-Key',
  in: 'header',
  description,
  required,
  schema: { type: 'string', minLength: 1, maxLength: 257, pattern: '^"?[\\x21\\x23-\\x7e]{1,255}"?$' }
})

const retries = 'The same request with the same key takes effect once and is answered the same; bare or in double quotes'
const etags: JsonObject = { type: 'string', minLength: 1, maxLength: 1024 }

const headerParameters: JsonObject = {
  IdempotencyKey: keyParameter(false, retries),
  RequiredIdempotencyKey: keyParameter(true, `${retries}. This operation moves stock and needs one`),
  IfMatch: { name: 'If-Match', in: 'header', description: 'Change it only if this is its ETag', required: false, schema: etags },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'Send it only if its ETag differs',
    required: false,
    schema: etags
  },
  LastEventId: {
    name: 'Last-Event-ID',
    in: 'header',
    description: 'Of a stream: the `id` that came last, after which it goes on',
    required: false,
    schema: { type: 'string', maxLength: 16, pattern: '^[0-9]*$' }
  }
}

const text = (description: string): JsonObject => ({ description, schema: { type: 'string' } })

const responseHeaders: JsonObject = {
  ETag: text('The version of what is answered'),
  Location: text('Where what was created can be read'),
  'X-Request-Id': text('The id of this request in the logs; the one that was sent, if it was sent'),
  'Idempotency-Replayed': text('true: this is the answer to an earlier request with the same Idempotency-Key'),
  RateLimit: text('From a gateway: what is left of a quota (`r`) and the seconds until there is more (`t`): "client";r=59999;t=60'),
  'RateLimit-Policy': text('From a gateway: the quota (`q`) in any so many seconds (`w`): "client";q=60000;w=60'),
  'Retry-After': { description: 'Seconds to wait, when waiting helps', schema: { type: 'integer', minimum: 0 } },
  'WWW-Authenticate': text('How to authenticate'),
  Deprecation: text('Since when it is deprecated: @ and the seconds since 1970 (RFC 9745)'),
  Sunset: text('When it ends, as an HTTP date (RFC 8594)'),
  Link: text('Where words about its deprecation are, and what takes its place: rel="successor-version"')
}
