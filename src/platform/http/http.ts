/**
 * The HTTP edge, and the only door to the web framework: authenticate → authorize → validate → begin → claim the idempotency key →
 * behaviour → commit → reply. An operation is allowed by its declared scope only; what the contract does not know is refused.
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Api, Operation } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import type { Scope } from '#contracts/scopes.ts'
import type { Refusals } from '../audit/audit-refusals.ts'
import type { Actor, Authenticator } from '../identity/actor.ts'
import { type Authorizer, openAuthorizer } from '../identity/authorize.ts'
import { clientAddress } from '../identity/trusted-proxies.ts'
import type { Log } from '../log.ts'
import { checkBody, checkParameters } from '../text/validation.ts'
import { traceIdOf } from '../trace.ts'
import type { Answer, Edge } from './http-answers.ts'
import { tellRefusal } from './http-audit.ts'
import { letBodyGo } from './http-bodies.ts'
import { challengeOf } from './http-challenges.ts'
import { addCors } from './http-cors.ts'
import { refuseUndeclared } from './http-declared-routes.ts'
import { followRequests } from './http-follow.ts'
import { answerOf } from './http-kinds.ts'
import { followDeprecations } from './http-lifecycle.ts'
import { problemHeaders, problemOf, toProblemJson } from './http-problems.ts'
import { checkPathOf, checkReadable, readBody, refuseAnyBody, refuseAnyQuery, refuseUnacceptable } from './http-requests.ts'
import { safeHeaders } from './http-security.ts'
import { frameworkOptions, type HttpServer, type Listening, listen } from './http-server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor
    readonly traceparent: string
    ownTraceparent: string | undefined
  }
  interface FastifyContextConfig {
    operationId?: string
    /** What an upload may be, as Accept-Post says it. */
    postTypes?: string
  }
}

export type HttpOptions = Listening & {
  api: Api
  edge: Omit<Edge, 'closing'>
  authenticator: Authenticator
  /** Without one, who acts for a user is bound by the token only. */
  authorizer?: Authorizer
  /** Where the audit log is told of refused attempts. */
  refusals?: Refusals
  log: Log
  /** Where problem types can be read: `http://localhost:8080`. */
  baseUrl: string
  inFlightMax: number
  /** The origins whose pages may ask; without it none. */
  corsOrigins?: readonly string[]
  /** Paths beside the API: health, metrics, documents. They are open to everybody. */
  extend?: (app: FastifyInstance) => void
}

/** Serves an API until disposed; disposing lets requests in flight end. */
export async function serve(options: HttpOptions): Promise<HttpServer> {
  const { api, authenticator, authorizer = openAuthorizer(), log, baseUrl } = options
  const admit = admitting(authenticator, authorizer)
  const app = Fastify(frameworkOptions(baseUrl, options))
  const refuse = refusing(baseUrl, log)
  app.setErrorHandler((error, request, reply) => {
    const operation = api.operations[request.routeOptions.config.operationId ?? '']
    if (operation && options.refusals) tellRefusal(options.refusals, operation, request, problemOf(error))
    return refuse(request, reply, error)
  })
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

  refuseUndeclared(app, api)
  app.decorateRequest('actor', null as unknown as Actor)
  // Health and metrics, which are no operations, are answered under any load.
  const sheds = (request: FastifyRequest) => request.routeOptions.config.operationId !== undefined
  const headers = safeHeaders(baseUrl)
  followRequests(app, { service: api.service, log, inFlightMax: options.inFlightMax, sheds, forwards: false, headers })
  addCors(app, options.corsOrigins ?? [])

  followDeprecations(app, { api, baseUrl, log })

  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())
  const edge = { ...options.edge, closing: closing.signal }
  for (const [operationId, operation] of Object.entries(api.operations)) {
    const answer = answerOf(edge, operationId, operation)
    const { consumes } = operation
    if (!consumes) addRoute(app, operationId, operation, answer, admit)
    else
      app.register(async scope => {
        takeAsItComes(scope, Object.keys(consumes))
        addRoute(scope, operationId, operation, answer, admit)
      })
  }
  options.extend?.(app)
  return listen(app, options)
}

function addRoute(app: FastifyInstance, operationId: string, operation: Operation, answer: Answer, admit: Admit): void {
  const checkPath = operation.params && checkPathOf(operation.params)
  const checkQuery = operation.query ? checkParameters(operation.query, 'query') : refuseAnyQuery
  const check = operation.body && checkBody(operation.body)
  const bodyIsOptional = operation.body && 'properties' in operation.body && !(operation.body as { required?: unknown }).required

  const takesAnything = operation.consumes !== undefined
  const { mediaType = 'application/json', stream } = operation.reply
  const answers = stream ? [mediaType, stream] : [mediaType]
  app.route({
    method: operation.method,
    url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    config: { operationId, ...(operation.consumes && { postTypes: Object.keys(operation.consumes).join(', ') }) },
    exposeHeadRoute: operation.method === 'GET',
    onRequest(request, _reply, done) {
      // Before the body is read: nobody without a token makes us parse anything.
      if (operation.scope === null) return done()
      try {
        const admitted = admit(request, operation.scope)
        if (admitted) admitted.then(() => done(), done)
        else done()
      } catch (error) {
        done(error as Error)
      }
    },
    // Not async: what is at hand is sent in this turn of the event loop.
    handler(request, reply) {
      refuseUnacceptable(request.headers.accept, answers)
      checkPath?.(request.params)
      checkQuery(request.query)
      const body = bodyIsOptional && request.body === undefined ? {} : request.body
      if (check) check(body)
      else if (!takesAnything) refuseAnyBody(body)
      return answer(request, reply, body)
    }
  })
}

/** Hands bodies of these media types on as streams, and refuses any other. */
function takeAsItComes(scope: FastifyInstance, mediaTypes: readonly string[]): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser([...mediaTypes], (request, payload, done) => {
    try {
      checkReadable(request)
      done(null, payload)
    } catch (error) {
      done(error as Error)
    }
  })
}

type Admit = (request: FastifyRequest, scope: Scope) => Promise<void> | undefined

/** Finds out who asks, and what of that is allowed now. Throws or rejects otherwise; of somebody refused it is known who it is. */
function admitting(authenticator: Authenticator, authorizer: Authorizer): Admit {
  function known(request: FastifyRequest, actor: Actor, scope: Scope): Promise<void> | undefined {
    request.actor = actor
    const allowed = authorizer.authorize(actor, scope)
    if (!(allowed instanceof Promise)) {
      request.actor = allowed
      return undefined
    }
    return allowed.then(bounded => {
      request.actor = bounded
    })
  }
  return (request, scope) => {
    const actor = authenticator.authenticate(request.headers, clientAddress(request))
    return actor instanceof Promise ? actor.then(found => known(request, found, scope)) : known(request, actor, scope)
  }
}

const PATCH_TYPES = 'application/merge-patch+json, application/json'

export type Refuse = (request: FastifyRequest, reply: FastifyReply, error: unknown) => FastifyReply

/** Answers an error as the problem that it means; what is nobody's refusal is logged. */
export function refusing(baseUrl: string, log: Log): Refuse {
  return (request, reply, error) => {
    const problem = problemOf(error)
    if (problem.code === 'internal') log.error({ unit: 'http', url: request.url, err: error }, 'unexpected error')
    const body = toProblemJson(problem, { baseUrl, traceId: traceIdOf(request.traceparent), instance: request.url.split('?')[0] })
    if (problem.code === 'unsupported-media-type') {
      if (request.method === 'PATCH') reply.header('accept-patch', PATCH_TYPES)
      if (request.routeOptions.config.postTypes) reply.header('accept-post', request.routeOptions.config.postTypes)
    }
    letBodyGo(request.raw, reply.raw)
    const headers = { ...problemHeaders(problem), ...challengeOf(problem, request.headers, baseUrl) }
    return reply.code(problem.status).headers(headers).send(JSON.stringify(body))
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
