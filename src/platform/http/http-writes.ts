/** What the edge does around a behaviour that writes: the idempotency record, the audit record and the effect are one transaction. */
import type { FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import { Problem, problems } from '#contracts/problems.ts'
import { type Audited, recordOutcomes } from '../audit/audit.ts'
import { principalOf } from '../identity/actor.ts'
import { withoutShownOnce } from '../identity/shown-once.ts'
import type { Transaction } from '../postgres/database.ts'
import { traceIdOf } from '../trace.ts'
import { etagOf, readIfMatch } from './etag.ts'
import type { Input } from './handlers.ts'
import { auditedOf } from './http-audit.ts'
import { problemHeaders, toProblemJson } from './http-problems.ts'
import {
  claimKeys,
  fingerprintOf,
  type IdempotentRequest,
  readIdempotencyKey,
  type StoredReply,
  storeReplies
} from './idempotency.ts'

/** A request to write: what the behaviour gets, and the key under which its reply is kept. */
export type Attempt = {
  input: Input<Operation>
  idempotent: IdempotentRequest | undefined
  instance: string
  /** Undefined where it leaves no record in the audit log. */
  audited: Audited | undefined
}

export function attemptOf(operation: Operation, request: FastifyRequest, body: unknown): Attempt {
  const key = readIdempotencyKey(request.headers['idempotency-key'])
  if (key === undefined && operation.idempotency === 'required') throw new Problem('idempotency-key-required')
  const idempotent = key && {
    principal: principalOf(request.actor),
    key,
    fingerprint: fingerprintOf(request.method, request.url, body, request.headers['if-match'])
  }
  const instance = request.url.split('?')[0]!
  return { input: inputOf(request, body), idempotent: idempotent || undefined, instance, audited: auditedOf(operation, request) }
}

/** Where problem types can be read. */
type Addressed = { baseUrl: string }

export async function writeOnce(
  tx: Transaction,
  edge: Addressed,
  operation: Operation,
  attempt: Attempt,
  run: (tx: Transaction) => Promise<unknown>
): Promise<Reply> {
  const { idempotent } = attempt
  const result = async () => {
    const result = await run(tx)
    if (attempt.audited) recordOutcomes(tx, [{ audited: attempt.audited, result, status: operation.reply.status }])
    return replyOf(operation, result)
  }
  if (!idempotent) return result()
  const [claimed] = await claimKeys(tx, [idempotent])
  if (claimed instanceof Problem) throw claimed
  if (claimed !== 'fresh') return { ...claimed!, replayed: true }
  tx.send('savepoint behaviour')
  let reply: Reply
  let kept: Reply
  try {
    reply = await result()
    kept = { ...reply, body: withoutShownOnce(operation, reply.body) }
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 409) throw error
    tx.send('rollback to savepoint behaviour')
    if (attempt.audited) recordOutcomes(tx, [{ audited: attempt.audited, result: error }])
    kept = reply = refusalOf(edge, attempt, error)
  }
  storeReplies(tx, [{ request: idempotent, reply: kept }])
  return reply
}

export async function writeBatch(
  tx: Transaction,
  edge: Addressed,
  operation: Operation,
  attempts: readonly Attempt[],
  run: (tx: Transaction, inputs: readonly Input<Operation>[]) => Promise<readonly unknown[]>
): Promise<(Reply | Problem)[]> {
  const keyed = attempts.filter(attempt => attempt.idempotent)
  const claims = await claimKeys(
    tx,
    keyed.map(attempt => attempt.idempotent!)
  )
  const claimOf = new Map(keyed.map((attempt, index) => [attempt, claims[index]!]))
  const fresh = attempts.filter(attempt => (claimOf.get(attempt) ?? 'fresh') === 'fresh')
  const results =
    fresh.length > 0
      ? await run(
          tx,
          fresh.map(attempt => attempt.input)
        )
      : []
  const replies = new Map(
    fresh.map((attempt, index) => {
      const result = results[index]
      if (!(result instanceof Problem)) return [attempt, replyOf(operation, result)]
      return [attempt, result.status === 409 ? refusalOf(edge, attempt, result) : result]
    })
  )
  recordOutcomes(
    tx,
    fresh.flatMap(({ audited, input }, index) => {
      const result = results[index]
      // What is thrown is told as it is answered.
      if (!audited || (result instanceof Problem && result.status !== 409)) return []
      return [{ audited, result, status: operation.reply.status, of: input }]
    })
  )
  storeReplies(
    tx,
    fresh.flatMap(attempt => {
      const reply = replies.get(attempt)!
      return attempt.idempotent && !(reply instanceof Problem) ? [{ request: attempt.idempotent, reply }] : []
    })
  )
  return attempts.map(attempt => {
    const claimed = claimOf.get(attempt)
    if (claimed instanceof Problem) return claimed
    if (claimed && claimed !== 'fresh') return { ...claimed, replayed: true }
    return replies.get(attempt)!
  })
}

/** A 409 as a reply that can be kept and replayed. */
function refusalOf({ baseUrl }: Addressed, { input, instance }: Attempt, problem: Problem): Reply {
  return {
    status: problems[problem.code].status,
    headers: problemHeaders(problem),
    body: JSON.stringify(toProblemJson(problem, { baseUrl, instance, traceId: input.traceparent && traceIdOf(input.traceparent) }))
  }
}

export type Reply = StoredReply & { replayed?: boolean }

export function replyOf(operation: Operation, result: unknown): Reply {
  const { status } = operation.reply
  if (result === undefined) return { status, headers: {}, body: '' }
  const resource = result as Record<string, unknown>
  const headers: Record<string, string> = {}
  if (operation.conditional && typeof resource.version === 'number') headers.etag = etagOf(resource.version)
  if (operation.location) headers.location = operation.location.replace(/\{(\w+)\}/g, (_, name: string) => String(resource[name]))
  return { status, headers, body: JSON.stringify(result) }
}

export function inputOf(request: FastifyRequest, body: unknown): Input<Operation> {
  return {
    params: request.params as never,
    query: request.query as never,
    body: body as never,
    actor: request.actor,
    expected: readIfMatch(request.headers['if-match']),
    traceparent: request.traceparent
  }
}
