/** What the edge does around a behaviour of each kind: read, write, batch, document. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { failpoint } from '../failpoint.ts'
import type { Log } from '../log.ts'
import type { EventTail } from '../messaging/event-tail.ts'
import type { Transaction } from '../postgres/database.ts'
import { isAway } from '../postgres/database-errors.ts'
import { batched } from './batched.ts'
import type { CachedDocument, Documents } from './documents.ts'
import { noneMatch } from './etag.ts'
import type { Handler, Reading } from './handlers.ts'
import { auditedOf } from './http-audit.ts'
import { type Attempt, attemptOf, inputOf, type Reply, replyOf, writeBatch, writeOnce } from './http-writes.ts'
import type { Listings } from './listings.ts'

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
        const audited = auditedOf(operation, request)
        const result = await handler.run(edge, { ...inputOf(request, body), ...(audited && { audited }) })
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
