/** Bodies that are read as they come: taken by a behaviour piece by piece, ended in the transaction of the idempotency record. */
import { createHash, type Hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { isAway } from '../postgres/database-errors.ts'
import type { Handler, Uploaded } from './handlers.ts'
import { type Answer, type Edge, send } from './http-answers.ts'
import { keepBodyComing } from './http-bodies.ts'
import { type Attempt, attemptOf, type Reply, writeOnce } from './http-writes.ts'
import { fingerprintOf } from './idempotency.ts'

type UploadHandler = Extract<Handler, { kind: 'upload' }>

export function answerUpload(edge: Edge, operation: Operation, { run }: UploadHandler): Answer {
  const { uploadBytesMax: bytesMax } = edge
  const keysUnderWay = new Set<string>()

  async function take(request: FastifyRequest, reply: FastifyReply, stream: IncomingMessage, attempt: Attempt): Promise<unknown> {
    const mediaType = mediaTypeOf(request.headers['content-type']!)
    const hash = attempt.idempotent && createHash('sha256')
    let discard: Uploaded<unknown>['discard'] | undefined
    let stored: Reply
    try {
      keepBodyComing(stream)
      const uploaded = await run(edge, attempt.input, { mediaType, chunks: bounded(stream, bytesMax, hash) })
      discard = uploaded.discard
      const named = nameByBody(attempt, request, `${mediaType} ${hash?.digest('base64url')}`)
      stored = await edge.database.transact(tx => writeOnce(tx, edge, operation, named, tx => uploaded.commit(tx)), request)
      if (!stored.replayed && stored.status < 400) discard = undefined
    } catch (error) {
      // Nobody knows whether a commit came to pass whose answer did not.
      if (isAway(error)) discard = undefined
      throw error
    } finally {
      // Whoever is answered finds nothing left. What stays behind when this fails is swept like what was broken off.
      await discard?.().catch(() => {})
    }
    return send(request, reply, stored)
  }

  return async (request, reply, body) => {
    if (body === undefined) throw new Problem('unsupported-media-type', 'Send the file as the body, with its media type')
    const attempt = attemptOf(operation, request, undefined)
    if (Number(request.headers['content-length']) > bytesMax) throw tooLarge(bytesMax)
    const key = attempt.idempotent && `${attempt.idempotent.principal} ${attempt.idempotent.key}`
    // Other processes find out when they commit: here nobody need send it all for that.
    if (key !== undefined && keysUnderWay.has(key)) throw new Problem('idempotency-in-flight')
    if (key !== undefined) keysUnderWay.add(key)
    try {
      return await take(request, reply, body as IncomingMessage, attempt)
    } finally {
      if (key !== undefined) keysUnderWay.delete(key)
    }
  }
}

/** The same request is one with the same body, of which nobody keeps more than a digest. */
function nameByBody(attempt: Attempt, request: FastifyRequest, body: string): Attempt {
  if (!attempt.idempotent) return attempt
  const fingerprint = fingerprintOf(request.method, request.url, body, request.headers['if-match'])
  return { ...attempt, idempotent: { ...attempt.idempotent, fingerprint } }
}

async function* bounded(stream: IncomingMessage, bytesMax: number, hash: Hash | undefined): AsyncGenerator<Buffer> {
  let bytes = 0
  try {
    // Whoever stops reading must not break the connection on which the refusal goes back.
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength
      if (bytes > bytesMax) throw tooLarge(bytesMax)
      hash?.update(chunk)
      yield chunk
    }
  } catch (error) {
    throw stream.complete || error instanceof Problem ? error : endedEarly()
  }
  // A client that goes away in the middle must not look like the end.
  if (!stream.complete) throw endedEarly()
}

const endedEarly = () => new Problem('malformed-http', 'The body ended early')
const tooLarge = (bytesMax: number) => new Problem('payload-too-large', `At most ${bytesMax} bytes are taken`)

/** `text/csv; charset=utf-8` → `text/csv`, in lower case. */
function mediaTypeOf(contentType: string): string {
  return contentType.split(';')[0]!.trim().toLowerCase()
}
