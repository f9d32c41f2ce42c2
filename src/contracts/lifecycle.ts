/** How an operation ends: deprecated on a day, ended on another, long after; what takes its place is named (RFC 9745, RFC 8594). */
import type { Api, Deprecation, Operation } from './define.ts'
import type { JsonObject } from './json-schema.ts'

/** How long callers have at least, from the day of the deprecation, to find another way. */
export const NOTICE_DAYS = 90

const DAY_MS = 86_400_000

/** The beginning of a day; undefined for what is none. */
export function beginOf(day: string): number | undefined {
  const ms = Date.parse(`${day}T00:00:00Z`)
  // The 30th of February is read as a day of March.
  return !Number.isNaN(ms) && new Date(ms).toISOString() === `${day}T00:00:00.000Z` ? ms : undefined
}

/** One message for each deprecation that tells callers nothing they can act on. */
export function lifecycleFaults({ operations }: Pick<Api, 'operations'>): string[] {
  return Object.entries(operations).flatMap(([name, operation]) =>
    operation.deprecated ? faultsOf(operation, operation.deprecated, operations).map(fault => `${name} ${fault}`) : []
  )
}

function faultsOf(operation: Operation, { since, sunset, successor }: Deprecation, operations: Api['operations']): string[] {
  const [from, until] = [beginOf(since), sunset === undefined ? undefined : beginOf(sunset)]
  const days = [
    ...(from === undefined ? [`is deprecated since ${since}, which is no day`] : []),
    ...(sunset !== undefined && until === undefined ? [`ends on ${sunset}, which is no day`] : []),
    ...(from !== undefined && until !== undefined && until < from + NOTICE_DAYS * DAY_MS
      ? [`ends on ${sunset}, less than ${NOTICE_DAYS} days after ${since}: callers need longer`]
      : [])
  ]
  if (successor === undefined) return days
  const next = Object.hasOwn(operations, successor) ? operations[successor] : undefined
  if (!next) return [...days, `is followed by ${successor}, which is no operation of this API`]
  const unknown = parametersOf(next).filter(parameter => !parametersOf(operation).includes(parameter))
  return [
    ...days,
    ...(next === operation || next.deprecated ? [`is followed by ${successor}, which is deprecated itself`] : []),
    ...unknown.map(parameter => `is followed by ${successor}, whose {${parameter}} a request to it does not say`)
  ]
}

const parametersOf = ({ path }: Operation) => [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1]!)

/** What an OpenAPI document says of it; nothing of what stays. */
export function lifecycleInOpenApi({ deprecated }: Operation): JsonObject {
  if (!deprecated) return {}
  const { since, sunset, successor } = deprecated
  return {
    deprecated: true,
    'x-deprecated-since': since,
    ...(sunset ? { 'x-sunset': sunset } : {}),
    ...(successor ? { 'x-successor': successor } : {})
  }
}

/** The headers that every answer has. */
export function deprecationHeaders({ deprecated }: Operation): string[] {
  if (!deprecated) return []
  return ['Deprecation', 'Link', ...(deprecated.sunset ? ['Sunset'] : [])]
}

/** The same in words, which follow its description. */
export function lifecycleInWords({ deprecated }: Operation): string {
  if (!deprecated) return ''
  const { since, sunset, successor } = deprecated
  const end = sunset ? ` It ends on ${sunset}, and is answered 410 from then on.` : ''
  return `**Deprecated** since ${since}.${end}${successor ? ` Use ${successor} instead.` : ''}`
}
