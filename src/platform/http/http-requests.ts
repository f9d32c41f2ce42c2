/** What of a request is read, and what is refused before any behaviour sees it. */
import type { FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { Problem } from '#contracts/problems.ts'
import { fragmentOf, parseJson, pointerTo } from '../text/json.ts'
import { type Check, checkParameters, FAULTS_MAX } from '../text/validation.ts'
import { PROBLEM_TYPE } from './http-problems.ts'

/** A path with nothing where an id belongs is another path, which is not there. */
export function checkPathOf(schema: TSchema): Check {
  const check = checkParameters(schema, 'path')
  return params => {
    try {
      check(params)
    } catch (error) {
      throw Object.values(params as object).includes('') ? new Problem('not-found', 'There is no such path') : error
    }
  }
}

/** Charsets other than UTF-8 and merge patches where nothing is patched are media types that this does not read. */
export function readBody(request: FastifyRequest, body: Buffer): unknown {
  const type = request.headers['content-type'] ?? ''
  checkReadable(request)
  if (/^application\/merge-patch\+json/i.test(type) && request.method !== 'PATCH') throw new Problem('unsupported-media-type')
  return body.length === 0 ? undefined : parseJson(body)
}

/** Throws `unsupported-media-type` for what is not plain UTF-8. */
export function checkReadable({ headers }: FastifyRequest): void {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1]
  if (charset && !/^utf-?8$/i.test(charset)) throw new Problem('unsupported-media-type', 'Only UTF-8 is read')
  const { 'content-encoding': encoding = 'identity' } = headers
  if (encoding.toLowerCase() !== 'identity')
    throw new Problem('unsupported-media-type', 'Only bodies that are not compressed are read')
}

/** An empty object says as little as no body: some clients send one with every POST. */
export function refuseAnyBody(body: unknown): void {
  if (body === undefined) return
  if (typeof body === 'object' && body !== null && !Array.isArray(body) && Object.keys(body).length === 0) return
  throw new Problem('invalid-request', 'This operation takes no body')
}

export function refuseAnyQuery(query: unknown): void {
  const names = Object.keys(query as object)
  if (names.length === 0) return
  const errors = names.slice(0, FAULTS_MAX).map(name => ({
    pointer: fragmentOf(pointerTo('query', name)),
    code: 'additionalProperties',
    detail: 'is not a known name here'
  }))
  throw new Problem('invalid-request', 'This operation takes no query parameters', { errors })
}

/** What we answer is JSON unless the operation says otherwise; an Accept header that is not understood is taken as any. */
export function refuseUnacceptable(accept: string | undefined, mediaTypes: readonly string[]): void {
  const named = (accept?.includes('*/*') || mediaTypes.some(type => accept?.includes(type))) && !accept?.includes('q=0')
  if (accept === undefined || named) return
  const ranges = accept.split(',').map(range => /^\s*([\w.+*-]+\/[\w.+*-]+)\s*(;.*)?$/.exec(range))
  const answered = ['*/*', ...mediaTypes.flatMap(type => [`${type.split('/')[0]}/*`, type]), PROBLEM_TYPE]
  const takesIt = (range: RegExpExecArray) =>
    answered.includes(range[1]!.toLowerCase()) && !/;\s*q=0(\.0*)?\s*(;|$)/i.test(range[2] ?? '')
  if (ranges.every(range => range !== null) && !ranges.some(takesIt)) {
    throw new Problem('not-acceptable', `This answers ${[...mediaTypes, PROBLEM_TYPE].join(' or ')}`)
  }
}
