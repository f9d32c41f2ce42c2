/** What an operation may refuse, and how a refusal looks in an OpenAPI document. */
import { Type } from 'typebox'
import type { Operation } from './define.ts'
import { type JsonObject, type NamedSchemas, plainSchema } from './json-schema.ts'
import { type ProblemCode, problems } from './problems.ts'
import { Shortage } from './resources/reservation.ts'

const codes = Object.keys(problems) as ProblemCode[]

/** The codes known today, and any string: clients meet new codes with the rule of the status. */
const openCode = (known: readonly ProblemCode[]) =>
  Type.Union([Type.Union(known.map(code => Type.Literal(code))), Type.String()], {
    description: 'What went wrong, for programs. More codes may come: go by the status when you do not know one'
  })

const FaultSchema = Type.Object(
  {
    pointer: Type.String({ description: 'Where: a JSON Pointer as a URI fragment, such as #/items/0/quantity' }),
    code: Type.String({ description: 'What is wrong there, for programs' }),
    detail: Type.String({ description: 'What is wrong there, for people' })
  },
  { title: 'Fault' }
)

/** A refusal as it is answered: RFC 9457 with a code, the trace to ask about, and faults by place. */
const ProblemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', description: 'Leads to words about the code' }),
    title: Type.String({ description: 'The same for every problem of this code' }),
    status: Type.Integer({ description: 'The HTTP status' }),
    detail: Type.Optional(Type.String({ description: 'What went wrong this time' })),
    instance: Type.Optional(Type.String({ format: 'uri-reference', description: 'What was asked for' })),
    code: openCode(codes),
    traceId: Type.Optional(Type.String({ description: 'Name it when you ask about this answer' })),
    errors: Type.Optional(Type.Array(FaultSchema, { description: 'Every fault of the request, by place' })),
    currentVersion: Type.Optional(Type.Integer({ description: 'With precondition-failed: the version it has now' })),
    eventTypes: Type.Optional(
      Type.Array(Type.String(), { description: 'With event-type-not-permitted: the types that were asked for and may not be read' })
    ),
    oldestPosition: Type.Optional(Type.Integer({ description: 'With position-gone: the oldest event that can still be read' })),
    userStatus: Type.Optional(
      Type.String({ description: 'With user-not-active: suspended, unknown, or what else the User Service says' })
    ),
    'violated-policies': Type.Optional(
      Type.Array(Type.String(), { description: 'With quota-exceeded: the quotas that are used up, as RateLimit-Policy names them' })
    ),
    shortages: Type.Optional(Type.Array(Shortage, { description: 'With insufficient-stock: what is missing' }))
  },
  { title: 'Problem', description: 'RFC 9457' }
)

/** Whether the operation changes something that exists already, so that If-Match can guard it. */
export function honoursIfMatch(operation: Operation): boolean {
  return operation.conditional === true && operation.method !== 'GET' && operation.reply.status !== 201
}

/** What any operation of its kind may refuse, before its behaviour is asked. */
function commonProblems(operation: Operation): ProblemCode[] {
  const common: ProblemCode[] = ['invalid-request', 'malformed-http']
  if (operation.method !== 'GET') common.push('invalid-json')
  if (operation.idempotency === 'required') common.push('idempotency-key-required')
  if (operation.scope !== null) common.push('unauthenticated', 'insufficient-scope', 'insufficient-role', 'user-not-active')
  if (operation.params) common.push('not-found')
  if (operation.deprecated?.sunset) common.push('operation-ended')
  common.push(
    'not-acceptable',
    'request-timeout',
    'uri-too-long',
    'headers-too-large',
    'quota-exceeded',
    'too-many-requests',
    'internal',
    'unavailable'
  )
  if (operation.method !== 'GET') {
    common.push('payload-too-large', 'unsupported-media-type', 'idempotency-in-flight', 'idempotency-key-reused')
  }
  if (honoursIfMatch(operation)) common.push('precondition-failed')
  return common
}

/** Everything the operation may refuse. */
export function problemsOf(operation: Operation): ProblemCode[] {
  return [...new Set([...commonProblems(operation), ...(operation.problems ?? [])])]
}

/** The refusals of an operation as OpenAPI responses by status. A status with one code only is a shared response. */
export function problemResponses(operation: Operation): JsonObject {
  const byStatus = Map.groupBy(problemsOf(operation), code => problems[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, found]) => [
      String(status),
      found.length === 1 ? { $ref: `#/components/responses/${found[0]}` } : problemResponse(status, found)
    ])
  )
}

/** The responses that operations share: one per code. */
export function sharedProblemResponses(): JsonObject {
  return Object.fromEntries(codes.map(code => [code, problemResponse(problems[code].status, [code])]))
}

/** Registers the schemas that the responses refer to. */
export function nameProblemSchemas(schemas: NamedSchemas): void {
  schemas.refer(plainSchema(ProblemSchema))
}

function problemResponse(status: number, found: readonly ProblemCode[]): JsonObject {
  const { description: _, ...code } = plainSchema(openCode(found))
  return {
    description: found
      .map(name => (found.length === 1 ? problems[name].title : `- \`${name}\`: ${problems[name].title}`))
      .join('\n'),
    headers: { 'X-Request-Id': header('X-Request-Id'), ...extraHeaders(status) },
    content: {
      'application/problem+json': {
        schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties: { code } }] }
      }
    }
  }
}

function extraHeaders(status: number): JsonObject {
  switch (status) {
    case 401:
    case 403:
      return { 'WWW-Authenticate': header('WWW-Authenticate') }
    case 409:
    case 503:
      return { 'Retry-After': header('Retry-After') }
    case 429:
      return { 'Retry-After': header('Retry-After'), ...quotaHeaders }
    case 412:
      return { ETag: header('ETag') }
    default:
      return {}
  }
}

/** What a gateway says of quotas with an answer (draft-ietf-httpapi-ratelimit-headers-10). */
export const quotaHeaders: JsonObject = { RateLimit: header('RateLimit'), 'RateLimit-Policy': header('RateLimit-Policy') }

/** A reference to a header that every document has. */
export function header(name: string): JsonObject {
  return { $ref: `#/components/headers/${name}` }
}
