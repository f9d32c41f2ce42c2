/** What the audit log is told of requests: which ones, by whom, from where, and what became of those that were refused. */
import type { FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import type { Problem } from '#contracts/problems.ts'
import { type Audited, type AuditedResource, type Doer, NOTHING } from '../audit/audit.ts'
import type { Refusals } from '../audit/audit-refusals.ts'
import type { Actor } from '../identity/actor.ts'
import { clientAddress } from '../identity/trusted-proxies.ts'
import { traceIdOf } from '../trace.ts'
import { requestIdOf } from './http-follow.ts'

/** A request that leaves a record when it is done; undefined for those that read, and for stock, which the ledger records. */
export function auditedOf(operation: Operation, request: FastifyRequest): Audited | undefined {
  // Nobody is known where anybody may ask.
  const known = operation.scope !== null
  return known && changes(operation) && operation.audit === undefined ? attemptOf(operation, request) : undefined
}

function changes({ method }: Operation): boolean {
  return method !== 'GET'
}

function attemptOf(operation: Operation, request: FastifyRequest): Audited {
  const { resourceOf, withheld } = subjectOf(operation)
  return {
    operation: request.routeOptions.config.operationId!,
    doer: doerOf(request.actor),
    ip: clientAddress(request),
    requestId: requestIdOf(request),
    traceId: traceIdOf(request.traceparent),
    resourceOf: result => resourceOf(request.params as Record<string, string>, result),
    withheld
  }
}

/** What an operation is about, found out once: it is asked with every write. */
type Subject = { resourceOf(params: Record<string, string>, result: unknown): AuditedResource; withheld: ReadonlySet<string> }

const subjects = new WeakMap<Operation, Subject>()

function subjectOf(operation: Operation): Subject {
  let subject = subjects.get(operation)
  if (!subject) {
    const withheld = new Set([...(operation.shownOnce ?? []), ...(operation.personal ?? [])])
    subject = { resourceOf: resourceIn(operation), withheld }
    subjects.set(operation, subject)
  }
  return subject
}

export function doerOf({ issuer, subject, clientId, userId, act }: Actor): Doer {
  return { issuer, subject, clientId, userId, act }
}

/**
 * Records a refusal, soon: whoever may not do something, whatever it is; and whatever else is refused to somebody who would change something.
 * Not who is nobody (401), nor what the service could not do or would not do so often.
 */
export function tellRefusal(refusals: Refusals, operation: Operation, request: FastifyRequest, problem: Problem): void {
  const { status, code } = problem
  if (!request.actor || !isRefusal(operation, status)) return
  const attempted = attemptOf(operation, request)
  refusals.add({ ...attempted, outcome: 'refused', status, code, resource: attempted.resourceOf(undefined), change: NOTHING })
}

/** Of stock, what cannot be held is an answer like another: reservations and events tell of it. */
function isRefusal(operation: Operation, status: number): boolean {
  if (status === 403) return true
  return changes(operation) && operation.audit === undefined && status >= 400 && status < 500 && !notRefusals.has(status)
}

/** Nobody, too slow, too much, too often. */
const notRefusals = new Set([401, 408, 413, 429])

/** `/v1/products/{productId}` → product and its id. What is created has the id that its address is made of. */
function resourceIn({ path, location }: Operation): Subject['resourceOf'] {
  const name = lastParameter(location ?? path)
  if (name === undefined) return () => ({ type: path.split('/')[2] ?? null, id: null })
  const type = typeOf(name)
  return (params, result) => {
    const id = location ? (result as Record<string, unknown> | undefined)?.[name] : params[name]
    return { type, id: typeof id === 'string' ? id.slice(0, ID_LENGTH_MAX) : null }
  }
}

/** Ids of ours are shorter; what somebody made up in its place may not be. */
const ID_LENGTH_MAX = 128

function lastParameter(path: string): string | undefined {
  return [...path.matchAll(/\{(\w+)\}/g)].at(-1)?.[1]
}

/** `priceListId` → `price-list` */
function typeOf(parameter: string): string {
  return parameter.replace(/Id$/, '').replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}
