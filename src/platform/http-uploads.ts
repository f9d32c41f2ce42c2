/** Bodies that are read as they come: taken by a behaviour piece by piece, ended in the transaction of the idempotency record. */
import { createHash, type Hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import type { Handler, Upload, Uploaded } from './handlers.ts'
import { type Attempt, attemptOf, type Edge, send, writeOnce } from './http-answers.ts'
import { keepBodyComing } from './http-bodies.ts'
import { fingerprintOf } from './idempotency.ts'

type UploadHandler = Extract<Handler, { kind: 'upload' }>

export function answerUpload(edge: Edge, operation: Operation, { run }: UploadHandler) {
  return async (request: FastifyRequest, reply: FastifyReply, body: unknown): Promise<unknown> => {
    if (body === undefined) throw new Problem('unsupported-media-type', 'Send the file as the body, with its media type')
    const attempt = attemptOf(operation, request, undefined)
    const stream = body as IncomingMessage
    if (Number(request.headers['content-length']) > edge.uploadBytesMax) throw tooLarge(edge.uploadBytesMax)
    keepBodyComing(stream)
    const hash = attempt.idempotent && createHash('sha256')
    let uploaded: Uploaded<unknown> | undefined
    let ended = false
    try {
      uploaded = await run(edge, attempt.input, {
        mediaType: mediaTypeOf(request.headers['content-type']!),
        chunks: bounded(stream, edge.uploadBytesMax, hash)
      })
      const { commit } = uploaded
      const named = nameByBody(attempt, request, hash)
      const stored = await edge.database.transact(tx => writeOnce(tx, edge, operation, named, tx => commit(tx)), request)
      // Whoever is answered finds nothing left of it.
      if (stored.replayed || stored.status >= 400) await uploaded.discard().catch(() => {})
      ended = true
      return send(request, reply, stored)
    } catch (error) {
      letGo(stream)
      throw error
    } finally {
      // What stays behind when this fails is found by whoever cleans up after uploads that were broken off.
      if (uploaded && !ended) await uploaded.discard().catch(() => {})
    }
  }
}

/** The same request is one with the same body, of which nobody keeps more than a digest. */
function nameByBody(attempt: Attempt, request: FastifyRequest, hash: Hash | undefined): Attempt {
  if (!attempt.idempotent || !hash) return attempt
  const fingerprint = fingerprintOf(request.method, request.url, hash.digest('base64url'), request.headers['if-match'])
  return { ...attempt, idempotent: { ...attempt.idempotent, fingerprint } }
}

async function* bounded(stream: IncomingMessage, bytesMax: number, hash: Hash | undefined): Upload['chunks'] {
  let bytes = 0
  try {
    // Who stops reading still answers on this connection.
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength
      if (bytes > bytesMax) throw tooLarge(bytesMax)
      hash?.update(chunk)
      yield chunk
    }
  } catch (error) {
    throw stream.complete || error instanceof Problem ? error : new Problem('malformed-http', 'The body ended early')
  }
  // A client that goes away in the middle must not look like the end.
  if (!stream.complete) throw new Problem('malformed-http', 'The body ended early')
}

function tooLarge(bytesMax: number): Problem {
  return new Problem('payload-too-large', `At most ${bytesMax} bytes are taken`)
}

const LINGER_MS = 5_000

/** A client that is still sending reads the refusal if its bytes go on being taken for a moment; then the connection ends. */
function letGo(stream: IncomingMessage): void {
  if (stream.complete || stream.destroyed) return
  const timer = setTimeout(() => stream.destroy(), LINGER_MS).unref()
  stream.once('close', () => clearTimeout(timer))
  stream.resume()
}

/** `text/csv; charset=utf-8` → `text/csv`, in lower case. */
function mediaTypeOf(contentType: string): string {
  return contentType.split(';')[0]!.trim().toLowerCase()
}
