/** Every refusal as application/problem+json (RFC 9457): ours, the framework's, and those of a request that is not even HTTP. */
import type { FastifyError } from 'fastify'
import { Problem, type ProblemCode, problems } from '#contracts/problems.ts'
import { isOutage } from './database.ts'
import { JsonRefused } from './json.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** The framework's error codes that a client can cause. */
const ofFramework: Record<string, ProblemCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid-json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid-json',
  FST_ERR_BAD_URL: 'not-found',
  FST_ERR_MAX_PARAM_LENGTH: 'uri-too-long',
  FST_ERR_ASYNC_CONSTRAINT: 'not-found',
  ECONNRESET: 'invalid-json',
  ERR_STREAM_PREMATURE_CLOSE: 'invalid-json'
}

/** What an error means to the client. What is not a refusal is `internal`, and its words stay in the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof JsonRefused) {
    return new Problem('invalid-json', error.message, {
      errors: [{ pointer: `#${error.pointer}`, code: 'json', detail: error.message }]
    })
  }
  const code = ofFramework[(error as FastifyError)?.code ?? '']
  if (code) return new Problem(code)
  if (isOutage(error)) return new Problem('unavailable', 'The database cannot serve this now', { retryAfterSeconds: 1 })
  return new Problem('internal')
}

export type ProblemContext = { baseUrl: string; traceId?: string | undefined; instance?: string | undefined }

export function toProblemJson(problem: Problem, { baseUrl, traceId, instance }: ProblemContext): Record<string, unknown> {
  const { title, status } = problems[problem.code]
  const { retryAfterSeconds: _, ...extensions } = problem.extensions
  return {
    type: `${baseUrl}/problems/${problem.code}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    ...(instance ? { instance } : {}),
    ...(traceId ? { traceId } : {}),
    ...extensions
  }
}

/** Headers that a problem needs beside its body. */
export function problemHeaders(problem: Problem): Record<string, string> {
  const { status } = problems[problem.code]
  const retryAfter =
    problem.extensions.retryAfterSeconds ?? (status === 503 || problem.code === 'idempotency-in-flight' ? 1 : undefined)
  return {
    'content-type': PROBLEM_TYPE,
    ...(problem.code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="product-service", error="invalid_token"' } : {}),
    ...(problem.code === 'insufficient-scope'
      ? { 'www-authenticate': `Bearer realm="product-service", error="insufficient_scope", scope="${problem.extensions.scope}"` }
      : {}),
    ...(problem.code === 'precondition-failed' && typeof problem.extensions.currentVersion === 'number'
      ? { etag: `"${problem.extensions.currentVersion}"` }
      : {}),
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) })
  }
}

const ofParser: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout'
}

/** A whole HTTP reply for a socket whose request the parser refused. */
export function rawProblem(error: NodeJS.ErrnoException, baseUrl: string): string {
  const problem = new Problem(ofParser[error.code ?? ''] ?? 'malformed-http')
  const { status } = problems[problem.code]
  const body = JSON.stringify(toProblemJson(problem, { baseUrl }))
  return [
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? 'Bad Request'}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'x-content-type-options: nosniff',
    'connection: close',
    '',
    body
  ].join('\r\n')
}

const STATUS_TEXT: Record<number, string> = { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' }
