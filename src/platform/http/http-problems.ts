/** Every refusal as application/problem+json (RFC 9457): ours, the framework's, and those of a request that is not even HTTP. */
import { STATUS_CODES } from 'node:http'
import type { FastifyError } from 'fastify'
import { Problem, type ProblemCode, problems } from '#contracts/problems.ts'
import { isOutage } from '../postgres/database-errors.ts'
import { fragmentOf, JsonRefused } from '../text/json.ts'
import { etagOf } from './etag.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** The framework's error codes that a client can cause. */
const ofFramework: Record<string, ProblemCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid-json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid-json',
  FST_ERR_BAD_URL: 'not-found',
  FST_ERR_MAX_PARAM_LENGTH: 'uri-too-long',
  FST_ERR_ASYNC_CONSTRAINT: 'not-found',
  FST_STATIC_FORBIDDEN_PATH: 'not-found'
}

/** What an error means to the client. What is not a refusal is `internal`, and its words stay in the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof JsonRefused) {
    return new Problem('invalid-json', error.message, {
      errors: [{ pointer: fragmentOf(error.pointer), code: 'json', detail: error.message }]
    })
  }
  const { code = '', statusCode } = (error ?? {}) as FastifyError
  if (ofFramework[code]) return new Problem(ofFramework[code])
  if (code.startsWith('FST_') && statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new Problem('malformed-http')
  // The framework marks so what ended a body early. Without the mark it was a connection of ours that was reset.
  if (statusCode === 400 && (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE')) return new Problem('malformed-http')
  if (isOutage(error)) return new Problem('unavailable', 'The database cannot serve this now', { retryAfterSeconds: 1 })
  return new Problem('internal')
}

export type ProblemContext = { baseUrl: string; traceId?: string | undefined; instance?: string | undefined }

export function toProblemJson(problem: Problem, { baseUrl, traceId, instance }: ProblemContext): Record<string, unknown> {
  const { title, status, type }: { title: string; status: number; type?: string } = problems[problem.code]
  const { retryAfterSeconds: _, ...extensions } = problem.extensions
  const members = {
    type: type ?? `${baseUrl}/problems/${problem.code}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    ...(instance ? { instance } : {}),
    ...(traceId ? { traceId } : {})
  }
  // What RFC 9457 defines stays what it is, whatever a behaviour adds.
  return { ...members, ...extensions, ...members }
}

/** Headers that a problem needs beside its body. */
export function problemHeaders(problem: Problem): Record<string, string> {
  const { status } = problems[problem.code]
  const retryAfter =
    problem.extensions.retryAfterSeconds ?? (status === 503 || problem.code === 'idempotency-in-flight' ? 1 : undefined)
  return {
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
    ...(problem.code === 'precondition-failed' && typeof problem.extensions.currentVersion === 'number'
      ? { etag: etagOf(problem.extensions.currentVersion) }
      : {}),
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) })
  }
}

/** Of the path and the query together. */
export const URL_BYTES_MAX = 8192

const parserCodes: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout'
}

/** What an error of the HTTP parser means to the client. */
export function ofParser({ code = '', rawPacket }: NodeJS.ErrnoException & { rawPacket?: unknown }): Problem {
  // To the parser, an address is part of what it has no room for.
  const tooLong =
    code === 'HPE_HEADER_OVERFLOW' && Buffer.isBuffer(rawPacket) && !rawPacket.subarray(0, URL_BYTES_MAX).includes('\n')
  return new Problem(tooLong ? 'uri-too-long' : (parserCodes[code] ?? 'malformed-http'))
}

/** A whole HTTP reply for a socket that nothing more is read from. */
export function rawProblem(problem: Problem, context: ProblemContext, headers: Record<string, string>): string {
  const body = JSON.stringify(toProblemJson(problem, context))
  const all = { ...headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' }
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    ...Object.entries(all).map(([name, value]) => `${name}: ${value}`),
    '',
    body
  ].join('\r\n')
}
