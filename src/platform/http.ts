/**
 * The HTTP edge, and the only door to the web framework: authenticate → authorize → validate → begin → claim the idempotency key →
 * behaviour → commit → reply. An operation is allowed by its declared scope only; what the contract does not know is refused.
 */
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Api, Operation } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import type { Actor, Authenticator } from './auth.ts'
import { type Answer, answerer, type Edge } from './http-answers.ts'
import { problemHeaders, problemOf, toProblemJson } from './http-problems.ts'
import { checkPathOf, readBody, refuseAnyBody, refuseAnyQuery, refuseUnacceptable } from './http-requests.ts'
import { closeableServer, frameworkOptions } from './http-server.ts'
import type { Log } from './log.ts'
import { httpRequests } from './telemetry.ts'
import { continueTrace, traceIdOf } from './trace.ts'
import { checkBody, checkParameters } from './validation.ts'

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor
    readonly traceparent: string
    ownTraceparent: string | undefined
  }
  interface FastifyContextConfig {
    operationId?: string
  }
}

export type HttpOptions = {
  api: Api
  edge: Edge
  authenticator: Authenticator
  log: Log
  /** Where problem types can be read: `http://localhost:8080`. */
  baseUrl: string
  host: string
  port: number
  inFlightMax: number
  shutdownTimeoutMs: number
  /** Paths beside the API: health, metrics, documents. They are open to everybody. */
  extend?: (app: FastifyInstance) => void
}

export interface HttpServer extends AsyncDisposable {
  /** `http://127.0.0.1:41234` */
  readonly url: string
}

/** Serves an API until disposed; disposing lets requests in flight end. */
export async function serve(options: HttpOptions): Promise<HttpServer> {
  const { api, authenticator, log, baseUrl } = options
  const app = Fastify(frameworkOptions(baseUrl))
  const refuse = refusing(baseUrl, log)
  app.setErrorHandler((error, request, reply) => refuse(request, reply, error))
  const methodsAt = methodsByPath(api)
  app.setNotFoundHandler((request, reply) => refuseUnknown(app, methodsAt, request, reply, refuse))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/json', 'application/merge-patch+json'], { parseAs: 'buffer' }, (request, body, done) => {
    try {
      done(null, readBody(request, body as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })

  let inFlight = 0
  app.decorateRequest('actor', null as unknown as Actor)
  addTraceparent(app)
  app.addHook('onRequest', (request, reply, done) => {
    // Not with onResponse, which does not come when the client has gone.
    reply.raw.once('close', () => inFlight--)
    reply.header('x-content-type-options', 'nosniff')
    reply.header('x-request-id', requestIdOf(request))
    // Health and metrics, which are no operations, are answered under any load.
    if (++inFlight > options.inFlightMax && request.routeOptions.config.operationId)
      return done(new Problem('unavailable', 'Too many requests are in flight', { retryAfterSeconds: 1 }))
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    observe(api.service, request, reply, log)
    done()
  })

  for (const [operationId, operation] of Object.entries(api.operations)) {
    addRoute(app, operationId, operation, answerer(options.edge, operationId, operation), authenticator)
  }
  options.extend?.(app)
  await app.listen({ host: options.host, port: options.port })
  const { address, port } = app.server.address() as AddressInfo
  return closeableServer(app, `http://${address.includes(':') ? `[${address}]` : address}:${port}`, options.shutdownTimeoutMs)
}

function addRoute(
  app: FastifyInstance,
  operationId: string,
  operation: Operation,
  answer: Answer,
  authenticator: Authenticator
): void {
  const checkPath = operation.params && checkPathOf(operation.params)
  const checkQuery = operation.query ? checkParameters(operation.query, 'query') : refuseAnyQuery
  const check = operation.body && checkBody(operation.body)
  const bodyIsOptional = operation.body && 'properties' in operation.body && !(operation.body as { required?: unknown }).required

  app.route({
    method: operation.method,
    url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    config: { operationId },
    exposeHeadRoute: operation.method === 'GET',
    onRequest(request, _reply, done) {
      // Before the body is read: nobody without a token makes us parse anything.
      if (operation.scope === null) return done()
      try {
        const actor = authenticator.authenticate(request.headers.authorization)
        if (actor instanceof Promise) actor.then(known => done(authorize(request, known, operation)), done)
        else done(authorize(request, actor, operation))
      } catch (error) {
        done(error as Error)
      }
    },
    // Not async: what is at hand is sent in this turn of the event loop.
    handler(request, reply) {
      refuseUnacceptable(request.headers.accept)
      checkPath?.(request.params)
      checkQuery(request.query)
      const body = bodyIsOptional && request.body === undefined ? {} : request.body
      if (check) check(body)
      else refuseAnyBody(body)
      return answer(request, reply, body)
    }
  })
}

function authorize(request: FastifyRequest, actor: Actor, { scope }: Operation): Problem | undefined {
  request.actor = actor
  if (scope === null || actor.scopes.has(scope)) return undefined
  return new Problem('insufficient-scope', `This needs the scope ${scope}`, { scope })
}

/** Gives requests their `traceparent`. It is made when somebody asks: most reads never do. */
export function addTraceparent(app: FastifyInstance): void {
  app.decorateRequest('traceparent', {
    getter() {
      this.ownTraceparent ??= continueTrace(this.headers.traceparent)
      return this.ownTraceparent
    }
  })
  app.decorateRequest('ownTraceparent', undefined)
}

const PATCH_TYPES = 'application/merge-patch+json, application/json'

export type Refuse = (request: FastifyRequest, reply: FastifyReply, error: unknown) => FastifyReply

/** Answers an error as the problem that it means; what is nobody's refusal is logged. */
export function refusing(baseUrl: string, log: Log): Refuse {
  return (request, reply, error) => {
    const problem = problemOf(error)
    if (problem.code === 'internal') log.error({ unit: 'http', url: request.url, err: error }, 'unexpected error')
    const body = toProblemJson(problem, { baseUrl, traceId: traceIdOf(request.traceparent), instance: request.url.split('?')[0] })
    if (problem.code === 'unsupported-media-type' && request.method === 'PATCH') reply.header('accept-patch', PATCH_TYPES)
    return reply.code(problem.status).headers(problemHeaders(problem)).send(JSON.stringify(body))
  }
}

/** What a path answers. A path that stands in the contract as it is stands before one with parameters. */
function methodsByPath(api: Api): (path: string) => string[] {
  const byPath = Map.groupBy(Object.values(api.operations), ({ path }) => path)
  const places = [...byPath].map(([path, operations]) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    methods: operations.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  }))
  return path => (places.find(place => place.path === path) ?? places.find(place => place.pattern.test(path)))?.methods ?? []
}

/** 405 with Allow where the path has other methods, 404 elsewhere. */
function refuseUnknown(
  app: FastifyInstance,
  methodsAt: (path: string) => string[],
  request: FastifyRequest,
  reply: FastifyReply,
  refuse: Refuse
): FastifyReply {
  const methods = methodsAt(request.url.split('?')[0]!)
  if (methods.length === 0) return refuse(request, reply, new Problem('not-found', 'There is no such path'))
  reply.header('allow', [...methods, 'OPTIONS'].join(', '))
  if (request.method === 'OPTIONS') return reply.code(204).send()
  if (!app.supportedMethods.includes(request.method)) return refuse(request, reply, new Problem('not-implemented'))
  return refuse(request, reply, new Problem('method-not-allowed'))
}

const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/

export function requestIdOf(request: FastifyRequest): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && requestIdPattern.test(given) ? given : request.id
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
export function observe(service: string, request: FastifyRequest, reply: FastifyReply, log: Log, forwarded = false): void {
  const operation = request.routeOptions.config.operationId ?? 'none'
  const status = reply.statusCode
  durationOf(service, operation, status).observe(reply.elapsedTime / 1000)
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
      requestId: reply.getHeader('x-request-id'),
      traceparent: request.traceparent
    },
    `${operation} ${status}`
  )
}
