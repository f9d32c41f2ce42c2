/** What every request gets, whoever answers it: a place in flight or none, an id, a trace, a figure and one wide line when it ends. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import type { Log } from '../log.ts'
import { httpRequests } from '../telemetry.ts'
import { continueTrace, type Span, startSpan, within } from '../trace.ts'
import { followCauses } from './http-cause.ts'

export type Following = {
  service: string
  log: Log
  inFlightMax: number
  /** Whether a request over the limit is answered 503. */
  sheds(request: FastifyRequest): boolean
  /** Whether requests only pass through here, to where they are told. */
  forwards: boolean
  /** Headers that every reply has unless it says otherwise. */
  headers: Readonly<Record<string, string>>
}

/** Follows the requests of a server from their first byte to their last. */
export function followRequests(app: FastifyInstance, following: Following): void {
  const { service, log, inFlightMax, sheds, forwards } = following
  const headers = Object.entries(following.headers)
  let inFlight = 0
  addTraceparent(app)
  app.addHook('onRequest', (request, reply, done) => {
    // Not with onResponse, which does not come when the client has gone.
    const span = startSpan && startAnswering(startSpan, service, request)
    reply.raw.on('close', () => {
      inFlight--
      if (span) endAnswering(span, request, reply)
    })
    for (const [name, value] of headers) reply.header(name, value)
    reply.header('x-request-id', requestIdOf(request))
    if (++inFlight > inFlightMax && sheds(request)) return done(new Problem('unavailable', 'Too many requests are in flight'))
    if (span) within(span, done)
    else done()
  })
  if (!forwards) followCauses(app)
  app.addHook('onResponse', (request, reply, done) => {
    observe(service, request, reply, log, forwards)
    done()
  })
}

/** Gives requests their `traceparent`. It is made when somebody asks: most reads never do. */
function addTraceparent(app: FastifyInstance): void {
  app.decorateRequest('traceparent', {
    getter() {
      this.ownTraceparent ??= continueTrace(this.headers.traceparent)
      return this.ownTraceparent
    }
  })
  app.decorateRequest('ownTraceparent', undefined)
}

/** A "server" span of an operation: its path as the contract has it, and never its query, its headers or who asked. */
function startAnswering(start: NonNullable<typeof startSpan>, service: string, request: FastifyRequest): Span | undefined {
  const { url: route, config } = request.routeOptions
  if (config.operationId === undefined) return undefined
  const span = start(`${request.method} ${route}`, {
    service,
    kind: 'server',
    parent: request.headers.traceparent,
    attributes: {
      'http.request.method': request.method,
      'http.route': route,
      'url.path': request.url.split('?')[0]!,
      'url.scheme': request.protocol,
      'network.protocol.version': request.raw.httpVersion
    }
  })
  request.ownTraceparent = span.traceparent
  return span
}

function endAnswering(span: Span, request: FastifyRequest, reply: FastifyReply): void {
  const status = reply.statusCode
  span.set({
    'http.response.status_code': status,
    operation: request.routeOptions.config.operationId,
    'request.id': String(reply.getHeader('x-request-id'))
  })
  if (!reply.raw.writableFinished) span.fail('aborted')
  else if (status >= 500) span.fail(String(status))
  span.end()
}

const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/

export function requestIdOf(request: FastifyRequest): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && requestIdPattern.test(given) ? given : request.id
}

/** How long a stream of events lasts says how long somebody wanted to follow them. */
export function isEndless(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type') ?? '').startsWith('text/event-stream')
}

const durations = new Map<string, ReturnType<typeof httpRequests.labels>>()

/** Looking labels up costs more than counting: kept per operation and status, of which there are few. */
function durationOf(service: string, operation: string, status: number): ReturnType<typeof httpRequests.labels> {
  const key = `${service} ${operation} ${status}`
  let duration = durations.get(key)
  if (!duration) {
    duration = httpRequests.labels(service, operation, String(status))
    durations.set(key, duration)
  }
  return duration
}

const SLOW_MS = 1000

function levelOf(
  status: number,
  { method }: FastifyRequest,
  { elapsedTime }: FastifyReply,
  forwarded: boolean
): 'error' | 'info' | 'debug' {
  // 501 is an answer to a method that nobody has.
  if (status >= 500 && status !== 501) return 'error'
  // What was only forwarded is told by the service that did it.
  const changing = method !== 'GET' && !forwarded
  return changing || status >= 400 || elapsedTime > SLOW_MS ? 'info' : 'debug'
}

/** One wide line per request: at info what changed something, failed or was slow; reads at debug. */
function observe(service: string, request: FastifyRequest, reply: FastifyReply, log: Log, forwarded: boolean): void {
  const operation = request.routeOptions.config.operationId ?? 'none'
  const status = reply.statusCode
  if (!isEndless(reply)) durationOf(service, operation, status).observe(reply.elapsedTime / 1000)
  const level = levelOf(status, request, reply, forwarded)
  if (!log.isLevelEnabled(level)) return
  log[level](
    {
      unit: 'http',
      operation,
      method: request.method,
      path: request.url.split('?')[0],
      status,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      actor: request.actor?.subject,
      // Who acts for a user is not the user.
      client: request.actor?.userId === undefined ? undefined : request.actor.clientId,
      requestId: reply.getHeader('x-request-id'),
      traceparent: request.traceparent
    },
    `${operation} ${status}`
  )
}
