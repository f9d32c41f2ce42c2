/**
 * Whether a contract still keeps what it promised. Each function compares the released document with the present one and
 * answers with one message per broken promise, which says what to do instead; none means compatible.
 */
import type { Json, JsonObject } from './json-schema.ts'
import { type Documents, type SchemaChange, schemaChanges } from './schema-changes.ts'

/**
 * Between two JSON Schemas of one event version. An event is read long after it was written, by readers of both ages, so a
 * version may gain properties that nobody has to give, and open enumerations may gain words; nothing else changes.
 * `after` is undefined when the schema is gone.
 */
export function incompatibilities(before: JsonObject, after: JsonObject | undefined): string[] {
  const name = String(before.title)
  const [type, version] = name.split('.v') as [string, string]
  if (!after) return [`${name} is gone. Publish it as long as anyone reads it.`]
  const advice = `Leave v${version} as it was and publish ${type}.v${Number(version) + 1} beside v${version}.`
  return told(schemaChanges(before, after, { before, after })).map(what => `${name}: ${what}. ${advice}`)
}

/**
 * Between two OpenAPI documents of one service. What clients send must stay acceptable, what they read must stay there:
 * requests may not narrow, replies may not widen.
 */
export function apiIncompatibilities(before: JsonObject, after: JsonObject): string[] {
  const documents = { before, after }
  return Object.entries(before.paths as Record<string, JsonObject>).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, old]) => {
      const operation = old as JsonObject
      const name = `${operation.operationId} (${method.toUpperCase()} ${path})`
      const now = member(after, 'paths', path, method)
      if (!now) return [`${name} is gone. Keep it, deprecated and with a Sunset date, beside what replaces it.`]
      return operationChanges(operation, now, documents).map(
        what => `${name}: ${what}. Leave it as it was and add a new operation beside it.`
      )
    })
  )
}

function operationChanges(before: JsonObject, after: JsonObject, documents: Documents): string[] {
  const changes = [
    ...parameterChanges(before, after, documents),
    ...bodyChanges(before, after, documents),
    ...replyChanges(before, after, documents)
  ]
  if (before.operationId !== after.operationId) changes.push(`is called ${after.operationId} now`)
  const [scope, needed] = [before['x-required-scope'], after['x-required-scope']]
  const [promised, end] = [before['x-sunset'], after['x-sunset']]
  if (promised && end && String(end) < String(promised)) changes.push(`ends on ${end}, before the ${promised} that was promised`)
  if (needed !== null && scope !== needed) changes.push(`needs scope ${needed} instead of ${scope ?? 'none'}`)
  return changes
}

function parameterChanges(before: JsonObject, after: JsonObject, documents: Documents): string[] {
  const [old, now] = [parametersOf(before, documents.before), parametersOf(after, documents.after)]
  const gone = [...old.keys()].filter(name => !now.has(name)).map(name => `${name} is gone`)
  const changed = [...now].flatMap(([name, parameter]) => {
    const known = old.get(name)
    if (parameter.required && !known?.required) return [`${name} is required now`]
    return known ? told(schemaChanges(known.schema!, parameter.schema!, documents), 'narrowed', name) : []
  })
  return [...gone, ...changed]
}

function parametersOf(operation: JsonObject, document: JsonObject): Map<string, JsonObject> {
  const parameters = ((operation.parameters ?? []) as JsonObject[]).map(parameter => dereferenced(parameter, document))
  return new Map(parameters.map(parameter => [`${parameter.in} parameter ${parameter.name}`, parameter]))
}

function bodyChanges(before: JsonObject, after: JsonObject, documents: Documents): string[] {
  const [old, now] = [member(before, 'requestBody'), member(after, 'requestBody')]
  if (!old) return now?.required ? ['a body is required now'] : []
  if (!now) return ['its body is gone']
  const required = now.required && !old.required ? ['a body is required now'] : []
  return [...required, ...contentChanges(old, now, documents, 'narrowed', 'body')]
}

function replyChanges(before: JsonObject, after: JsonObject, documents: Documents): string[] {
  const replies = Object.entries(before.responses as Record<string, JsonObject>).filter(([status]) => status.startsWith('2'))
  return replies.flatMap(([status, reply]) => {
    const old = dereferenced(reply, documents.before)
    const now = member(after, 'responses', status)
    if (!now) return [`reply ${status} is gone`]
    const present = dereferenced(now, documents.after)
    const headers = Object.keys(member(old, 'headers') ?? {}).filter(name => !member(present, 'headers', name))
    return [
      ...headers.map(name => `reply ${status} has no ${name} any more`),
      ...contentChanges(old, present, documents, 'widened', `reply ${status}`)
    ]
  })
}

function contentChanges(
  before: JsonObject,
  after: JsonObject,
  documents: Documents,
  kind: SchemaChange['kind'],
  where: string
): string[] {
  return Object.entries(member(before, 'content') ?? {}).flatMap(([type, media]) => {
    const now = member(after, 'content', type)
    if (!now) return [`${where} is not ${type} any more`]
    return told(schemaChanges((media as JsonObject).schema ?? {}, now.schema ?? {}, documents), kind, where)
  })
}

/** Changes in words, each once; of one kind when given. */
function told(changes: SchemaChange[], kind?: SchemaChange['kind'], where?: string): string[] {
  const relevant = changes.filter(change => !kind || change.kind === kind)
  return [...new Set(relevant.map(({ at, what }) => `${[where, at].filter(Boolean).join(' ') || 'it'} ${what}`))]
}

function dereferenced(node: JsonObject, document: JsonObject): JsonObject {
  return typeof node.$ref === 'string' ? member(document, ...node.$ref.slice(2).split('/'))! : node
}

function member(node: JsonObject, ...path: string[]): JsonObject | undefined {
  return path.reduce<Json | undefined>((found, step) => (found as JsonObject | undefined)?.[step], node) as JsonObject | undefined
}
