/**
 * One address for many services, and the only door to the proxy library. A request goes on as it came: method, path, query, headers
 * and the body as a stream; nothing is added that a service would trust. A service that is away is answered 503, never with a hanging or
 * broken connection.
 */
import type { AddressInfo } from 'node:net'
import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import { addTraceparent, type HttpServer, observe, refusing, requestIdOf } from './http.ts'
import { closeableServer, frameworkOptions } from './http-server.ts'
import type { Log } from './log.ts'
import { addDocument } from './published-contracts.ts'
import { registry } from './telemetry.ts'

/** A service behind the gateway, and where its paths are. */
export type Upstream = {
  service: string
  /** With the version prefix of its API: `http://order:8080/v1`. */
  url: string
  /** The first segments below /v1 that are its own: `products`. */
  resources: readonly string[]
  /** First segments outside /v1: `oauth`. */
  beside: readonly string[]
}

export type GatewayOptions = {
  upstreams: readonly Upstream[]
  /** The OpenAPI document of all of them. */
  document: object
  log: Log
  /** Where people reach it; problem types are there. */
  baseUrl: string
  host: string
  port: number
  inFlightMax: number
  shutdownTimeoutMs: number
  /** How long a service may take to begin its answer. */
  timeoutMs?: number
}

const VERSION_PREFIX = '/v1'
const TIMEOUT_MS = 35_000
const CONNECT_TIMEOUT_MS = 2_000
const READY_TIMEOUT_MS = 2_000

/** Serves until disposed; disposing lets requests in flight end. */
export async function serveGateway(options: GatewayOptions): Promise<HttpServer> {
  const { upstreams, log, baseUrl } = options
  const app = Fastify(frameworkOptions(baseUrl))
  const refuse = refusing(baseUrl, log)
  app.setErrorHandler((error: { statusCode?: number }, request, reply) =>
    // The proxy library refuses paths that climb out of where they belong.
    refuse(request, reply, error.statusCode === 400 && !(error instanceof Problem) ? new Problem('not-found') : error)
  )
  app.setNotFoundHandler((request, reply) => {
    const known = app.supportedMethods.includes(request.method)
    return refuse(request, reply, known ? new Problem('not-found', 'There is no such path') : new Problem('not-implemented'))
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))

  let inFlight = 0
  addTraceparent(app)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff')
    reply.header('x-request-id', requestIdOf(request))
    done(++inFlight > options.inFlightMax ? new Problem('unavailable', 'Too many requests are in flight') : undefined)
  })
  app.addHook('onResponse', (request, reply, done) => {
    inFlight--
    observe('gateway', request, reply, log)
    done()
  })

  for (const upstream of upstreams) addUpstream(app, upstream, options, refuse)
  addDocument(app, options.document)
  addHealth(app, upstreams)
  await app.listen({ host: options.host, port: options.port })
  const { address, port } = app.server.address() as AddressInfo
  return closeableServer(app, `http://${address.includes(':') ? `[${address}]` : address}:${port}`, options.shutdownTimeoutMs)
}

function addUpstream(app: FastifyInstance, upstream: Upstream, options: GatewayOptions, refuse: ReturnType<typeof refusing>): void {
  const { service, url, resources, beside } = upstream
  const { inFlightMax, timeoutMs = TIMEOUT_MS, log } = options
  const away = (reply: FastifyReply, { error }: { error: Error }) => {
    if (reply.request.raw.destroyed && !reply.request.raw.complete) return reply.raw.destroy()
    const cause = error.cause ?? error
    log.warn(
      { unit: 'gateway', upstream: service, path: reply.request.url.split('?')[0], error: String(cause) },
      `${service} is away`
    )
    return refuse(
      reply.request,
      reply,
      new Problem('unavailable', `The ${service} service cannot answer now`, { retryAfterSeconds: 1 })
    )
  }
  const forward = (prefix: string, segments: readonly string[], rewritePrefix: string) => {
    if (segments.length === 0) return
    app.register(httpProxy, {
      prefix,
      upstream: new URL(url).origin,
      rewritePrefix,
      routes: segments.flatMap(segment => [`/${segment}`, `/${segment}/*`]),
      httpMethods: app.supportedMethods,
      config: { operationId: service },
      disableRequestLogging: true,
      undici: { connections: inFlightMax, headersTimeout: timeoutMs, connectTimeout: CONNECT_TIMEOUT_MS },
      replyOptions: {
        rewriteRequestHeaders,
        rewriteHeaders,
        onError: away as never,
        // Whoever asked decides whether to ask again.
        retryDelay: () => null
      }
    })
  }
  forward(VERSION_PREFIX, resources, new URL(url).pathname)
  forward('', beside, rootPathOf(url))
}

/** Headers that concern one connection only (RFC 9110 §7.6.1), and Expect, which the server has answered already. */
const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect']
/** A GET or HEAD goes on without the body that it should not have. */
const ofBody = ['content-length', 'content-type']

type Hooks = Required<NonNullable<FastifyHttpProxyOptions['replyOptions']>>

const rewriteHeaders: Hooks['rewriteHeaders'] = headers => without(hopByHop, headers)

const rewriteRequestHeaders: Hooks['rewriteRequestHeaders'] = (request, headers) => ({
  ...without(request.method === 'GET' || request.method === 'HEAD' ? [...hopByHop, ...ofBody] : hopByHop, headers),
  'x-request-id': requestIdOf(request as FastifyRequest),
  traceparent: request.traceparent
})

function without<Headers extends object>(names: readonly string[], headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name))) as Headers
}

/** `http://shop/api/v1` → `/api`: what stands outside the version prefix. */
function rootPathOf(url: string): string {
  return new URL(url).pathname.replace(/\/v\d+\/?$/, '').replace(/\/$/, '')
}

/** Ready when every service is; says which is not. */
function addHealth(app: FastifyInstance, upstreams: readonly Upstream[]): void {
  app.get('/health/live', async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    const services = Object.fromEntries(await Promise.all(upstreams.map(async each => [each.service, await readiness(each)])))
    const away = Object.keys(services).filter(service => services[service] !== 'ok')
    if (away.length === 0) return reply.send({ status: 'ok', services })
    return reply
      .code(503)
      .header('retry-after', '1')
      .send({ status: 'unavailable', reason: `away: ${away.join(', ')}`, services })
  })
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}

async function readiness({ url }: Upstream): Promise<'ok' | 'unavailable'> {
  try {
    const at = new URL(`${rootPathOf(url)}/health/ready`, url)
    const response = await fetch(at, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) })
    await response.body?.cancel()
    return response.ok ? 'ok' : 'unavailable'
  } catch {
    return 'unavailable'
  }
}
