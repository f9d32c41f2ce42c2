/** What the edge does around a behaviour of each kind: read, write, batch, document. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import { Problem, problems } from '#contracts/problems.ts'
import { batched } from './batched.ts'
import type { Transaction } from './database.ts'
import { isAway } from './database-errors.ts'
import type { CachedDocument, Documents } from './documents.ts'
import { etagOf, noneMatch, readIfMatch } from './etag.ts'
import type { EventTail } from './event-tail.ts'
import { failpoint } from './failpoint.ts'
import type { Handler, Input, Reading } from './handlers.ts'
import { problemHeaders, toProblemJson } from './http-problems.ts'
import {
  claimKeys,
  fingerprintOf,
  type IdempotentRequest,
  readIdempotencyKey,
  type StoredReply,
  storeReplies
} from './idempotency.ts'
import type { Listings } from './listings.ts'
import type { Log } from './log.ts'
import { traceIdOf } from './trace.ts'

export type Edge = Reading & {
  handlers: Record<string, Handler>
  /** Opens the cache of stored documents for a handler of that kind. */
  documents(handler: Extract<Handler, { kind: 'document' }>): Documents
  listings: Listings
  tail: EventTail
  /** Aborts when the server is to stop: what has no end by itself ends then. */
  closing: AbortSignal
  uploadBytesMax: number
  baseUrl: string
  log: Log
}

/** `body` is the valid body; path, query and actor are in the request. Undefined: it is sent already. */
export type Answer = (request: FastifyRequest, reply: FastifyReply, body: unknown) => Promise<unknown> | undefined

/** Of the kinds whose replies are made whole; the others have files of their own (see http-kinds.ts). */
export type WholeHandler = Extract<Handler, { kind: 'read' | 'write' | 'batch' | 'document' }>

export function answerWhole(edge: Edge, operation: Operation, handler: WholeHandler): Answer {
  switch (handler.kind) {
    case 'read':
      return async (request, reply, body) => {
        const result = await handler.run(edge, inputOf(request, body))
        return send(request, reply, replyOf(operation, result))
      }
    case 'document':
      return documentAnswer(edge.documents(handler))
    case 'write':
      return async (request, reply, body) => {
        const attempt = attemptOf(operation, request, body)
        const stored = await commit(
          edge,
          tx => writeOnce(tx, edge, operation, attempt, tx => handler.run(tx, attempt.input)),
          request
        )
        return send(request, reply, stored)
      }
    case 'batch': {
      const submit = batched(
        (attempts: readonly Attempt[]) =>
          commit(
            edge,
            tx => writeBatch(tx, edge, operation, attempts, (tx, inputs) => handler.run(tx, inputs)),
            // What several requests cause together is none's alone.
            attempts.length === 1 ? attempts[0]!.input : undefined
          ),
        { keyOf: ({ idempotent }) => idempotent && `${idempotent.principal} ${idempotent.key}`, isShared: isAway }
      )
      return async (request, reply, body) => {
        const stored = await submit(attemptOf(operation, request, body))
        if (stored instanceof Problem) throw stored
        return send(request, reply, stored)
      }
    }
  }
}

async function commit<Result>(
  edge: Edge,
  write: (tx: Transaction) => Promise<Result>,
  context?: { traceparent?: string | undefined }
): Promise<Result> {
  const result = await edge.database.transact(async tx => {
    const written = await write(tx)
    await failpoint('api.before-commit')
    return written
  }, context)
  await failpoint('api.after-commit')
  return result
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

export type Reply = StoredReply & { replayed?: boolean }

function replyOf(operation: Operation, result: unknown): Reply {
  const { status } = operation.reply
  if (result === undefined) return { status, headers: {}, body: '' }
  const resource = result as Record<string, unknown>
  const headers: Record<string, string> = {}
  if (operation.conditional && typeof resource.version === 'number') headers.etag = etagOf(resource.version)
  if (operation.location) headers.location = operation.location.replace(/\{(\w+)\}/g, (_, name: string) => String(resource[name]))
  return { status, headers, body: JSON.stringify(result) }
}

export function send(request: FastifyRequest, reply: FastifyReply, { status, headers, body, replayed }: Reply): FastifyReply {
  reply.code(status)
  for (const [name, value] of Object.entries(headers)) reply.header(name, value)
  if (replayed) reply.header('idempotency-replayed', 'true')
  const reads = request.method === 'GET' || request.method === 'HEAD'
  reply.header('cache-control', headers.etag && reads ? 'private, no-cache' : 'no-store')
  if (reads && headers.etag && noneMatch(request.headers['if-none-match'], headers.etag)) {
    return reply.code(304).send()
  }
  if (body === '') return reply.send()
  return reply.type(status >= 400 ? 'application/problem+json' : JSON_TYPE).send(body)
}

function documentAnswer(documents: Documents): Answer {
  return (request, reply) => {
    const [id] = Object.values(request.params as Record<string, string>)
    const document = documents.get(id!)
    if (document instanceof Promise) return document.then(found => sendDocument(request, reply, found))
    sendDocument(request, reply, document)
    return undefined
  }
}

function sendDocument(request: FastifyRequest, reply: FastifyReply, document: CachedDocument | undefined): FastifyReply {
  if (!document) throw new Problem('not-found')
  return sendText(request, reply, document.etag, document.body)
}

/** Sends JSON that is stored as text, unless who asks has it. */
export function sendText(request: FastifyRequest, reply: FastifyReply, etag: string, text: string): FastifyReply {
  reply.header('etag', etag)
  reply.header('cache-control', 'private, no-cache')
  if (noneMatch(request.headers['if-none-match'], etag)) return reply.code(304).send()
  return reply.header('content-type', JSON_TYPE).send(text)
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** A request to write: what the behaviour gets, and the key under which its reply is kept. */
export type Attempt = { input: Input<Operation>; idempotent: IdempotentRequest | undefined; instance: string }

export function attemptOf(operation: Operation, request: FastifyRequest, body: unknown): Attempt {
  const key = readIdempotencyKey(request.headers['idempotency-key'])
  if (key === undefined && operation.idempotency === 'required') throw new Problem('idempotency-key-required')
  const idempotent = key && {
    principal: request.actor.subject,
    key,
    fingerprint: fingerprintOf(request.method, request.url, body, request.headers['if-match'])
  }
  return { input: inputOf(request, body), idempotent: idempotent || undefined, instance: request.url.split('?')[0]! }
}

export async function writeOnce(
  tx: Transaction,
  edge: Edge,
  operation: Operation,
  attempt: Attempt,
  run: (tx: Transaction) => Promise<unknown>
): Promise<Reply> {
  const { idempotent } = attempt
  if (!idempotent) return replyOf(operation, await run(tx))
  const [claimed] = await claimKeys(tx, [idempotent])
  if (claimed instanceof Problem) throw claimed
  if (claimed !== 'fresh') return { ...claimed!, replayed: true }
  tx.send('savepoint behaviour')
  let reply: Reply
  try {
    reply = replyOf(operation, await run(tx))
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 409) throw error
    tx.send('rollback to savepoint behaviour')
    reply = refusalOf(edge, attempt, error)
  }
  storeReplies(tx, [{ request: idempotent, reply }])
  return reply
}

async function writeBatch(
  tx: Transaction,
  edge: Edge,
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
function refusalOf({ baseUrl }: Edge, { input, instance }: Attempt, problem: Problem): Reply {
  return {
    status: problems[problem.code].status,
    headers: problemHeaders(problem),
    body: JSON.stringify(toProblemJson(problem, { baseUrl, instance, traceId: input.traceparent && traceIdOf(input.traceparent) }))
  }
}
