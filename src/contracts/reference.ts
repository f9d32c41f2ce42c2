/** The reference pages, made from the contracts: errors, events, scopes and permissions as Markdown. */
import { apis, events } from './catalogue.ts'
import { routingKey } from './envelope.ts'
import { eventName, eventPayload, eventSchemaPath, isOurs } from './event-schema.ts'
import type { JsonObject } from './json-schema.ts'
import { problemsOf } from './openapi-problems.ts'
import { type ProblemCode, problems } from './problems.ts'
import { allRoles, roles } from './roles.ts'
import { allScopes, type Scope, scopes } from './scopes.ts'

const generated = '<!-- Written by `npm run contracts` from src/contracts: change it there. -->'
const operations = apis.flatMap(api => Object.entries(api.operations))

/** Every error code: its status, what it means, whether to try again, and which operations answer it. */
export function errorsPage(): string {
  const rows = (Object.keys(problems) as ProblemCode[]).map(code => {
    const { status, title, retry } = problems[code]
    return [`\`${code}\``, String(status), title, retry ? 'yes' : 'no', whereAnswered(code)]
  })
  return page(
    'Errors',
    'Every error is `application/problem+json` (RFC 9457) with a `code`. 400 can never succeed as sent; 409 conflicts with the',
    'current state; 422 is only a reused Idempotency-Key. *Again* says whether the same request can succeed later.',
    '',
    ...table(['Code', 'Status', 'Meaning', 'Again', 'Answered by'], rows)
  )
}

function whereAnswered(code: ProblemCode): string {
  const found = operations.filter(([, operation]) => problemsOf(operation).includes(code))
  const mutations = operations.filter(([, { method }]) => method !== 'GET')
  if (found.length === operations.length) return 'any operation'
  if (found.length === mutations.length && found.every(([, { method }]) => method !== 'GET')) return 'any mutation'
  if (found.length > 20) return `${found.length} operations: see the OpenAPI documents`
  return found.map(([name]) => `\`${name}\``).join(', ') || 'no operation: the edge before any, or a consumer'
}

/** Every event: where it travels, its key and subject, and its properties. */
export function eventsPage(): string {
  const topics = Map.groupBy(events, event => event.topic)
  return page(
    'Events',
    'Every event is one flat JSON object; the same attributes travel as CloudEvents 1.0 headers. Events of one key arrive in the order',
    'they were published; `sequence` counts within one subject. Events may gain properties: ignore those you do not know.',
    '',
    ...[...topics].flatMap(([topic, found]) => [
      `## ${topic}`,
      '',
      found.every(isOurs)
        ? 'Published by the Product Service.'
        : 'Published by others; these properties are enough for the Product Service.',
      '',
      ...found.flatMap(event => [
        `### ${eventName(event)}`,
        '',
        `${event.summary}.`,
        '',
        `Key \`${event.key}\` · subject \`${event.subject}\` · routing key \`${routingKey(event)}\` · schema \`${eventSchemaPath(event)}\``,
        '',
        ...table(['Property', 'Type', 'Required', 'Meaning'], properties(eventPayload(event))),
        ''
      ])
    ])
  )
}

/** Every scope: what it allows, and the operations that need it. */
export function scopesPage(): string {
  const rows = allScopes.map(scope => [
    `\`${scope}\``,
    scopes[scope],
    operations
      .filter(([, operation]) => operation.scope === scope)
      .map(([name]) => `\`${name}\``)
      .join(', ')
  ])
  return page(
    'Scopes',
    'A token carries scopes; an operation names exactly one. What no scope of the token names is refused.',
    '',
    ...table(['Scope', 'Allows', 'Operations'], rows)
  )
}

/** Every role: what it is for, and which operations it allows. */
export function permissionsPage(): string {
  const allows = (role: (typeof allRoles)[number], scope: Scope) => (roles[role].scopes as readonly Scope[]).includes(scope)
  const summaries = allRoles.map(role => [
    `\`${role}\``,
    roles[role].summary,
    role === 'admin' ? 'all' : roles[role].scopes.map(scope => `\`${scope}\``).join(', ')
  ])
  const rowsOf = (api: (typeof apis)[number]) =>
    Object.entries(api.operations).map(([name, { method, path, scope }]) => [
      `\`${name}\``,
      `${method} ${path}`,
      scope === null ? 'open' : `\`${scope}\``,
      ...allRoles.map(role => (scope === null || allows(role, scope) ? 'yes' : ''))
    ])
  return page(
    'Permissions',
    'An operation names one scope, a role is a set of scopes. Who comes without credentials may do what is *open*, and nothing else. A token may',
    'state roles as well as scopes; who acts for a user may do what both the token and the current roles of the user allow. See',
    '[Users and roles](../how-to/users-and-roles.md).',
    '',
    ...table(['Role', 'For whom', 'Scopes'], summaries),
    ...apis.flatMap(api => [
      '',
      `## ${api.title}`,
      '',
      ...table(['Operation', 'Request', 'Scope', ...allRoles.map(role => `\`${role}\``)], rowsOf(api))
    ])
  )
}

function properties(schema: JsonObject): string[][] {
  const { properties = {}, required = [] } = schema as { properties?: Record<string, JsonObject>; required?: string[] }
  return Object.entries(properties).map(([name, property]) => [
    `\`${name}\``,
    typeOf(property),
    required.includes(name) ? 'yes' : 'no',
    String(property.description ?? '')
  ])
}

function typeOf(schema: JsonObject): string {
  if (Array.isArray(schema.anyOf)) return [...new Set(schema.anyOf.map(branch => typeOf(branch as JsonObject)))].join(' or ')
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (Array.isArray(schema.enum) && schema.enum.length <= 8)
    return schema.enum.map(value => `\`${JSON.stringify(value)}\``).join(' or ')
  if (schema.type === 'array') return `array of ${typeOf((schema.items ?? {}) as JsonObject)}`
  if (typeof schema.title === 'string') return schema.title
  if (schema.type === 'object' && schema.properties) return `object (${Object.keys(schema.properties).join(', ')})`
  return typeof schema.format === 'string' && schema.type === 'string' ? schema.format : String(schema.type ?? 'any')
}

function page(title: string, ...lines: string[]): string {
  return `${[`# ${title}`, '', generated, '', ...lines].join('\n').trimEnd()}\n`
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
