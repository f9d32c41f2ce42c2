/**
 * Forwarding, and the only door to the proxy library. A request goes on as it came: method, path, query, headers and body, without the
 * headers that would say who asks. A service that is away is answered 503, never with a hanging or broken connection.
 */
import { PassThrough, Readable } from 'node:stream'
import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import { vouchesForSomebody } from '../identity/identity-headers.ts'
import { clientAddress } from '../identity/trusted-proxies.ts'
import type { Log } from '../log.ts'
import type { Refuse } from './http.ts'
import { keepBodyComing, letBodyGo } from './http-bodies.ts'
import { connector } from './http-connector.ts'
import { isEndless, requestIdOf } from './http-follow.ts'

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

const VERSION_PREFIX = '/v1'
const CONNECT_TIMEOUT_MS = 2_000
/** Every service bounds these, and so does the gateway: they are taken in before a service is troubled. Anything else streams. */
const JSON_TYPES = ['application/json', 'application/merge-patch+json']

export type Forwarding = {
  timeoutMs: number
  refuse: Refuse
  log: Log
  /** Aborts when the gateway is to stop. */
  closing: AbortSignal
}

export function addUpstream(
  app: FastifyInstance,
  { service, url, resources, beside }: Upstream,
  { timeoutMs, refuse, log, closing }: Forwarding
): void {
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
  const forward = (prefix: string, segments: readonly string[], rewritePrefix: string, open: boolean) => {
    if (segments.length === 0) return
    app.register(httpProxy, {
      prefix,
      upstream: new URL(url).origin,
      rewritePrefix,
      routes: segments.flatMap(segment => [`/${segment}`, `/${segment}/*`]),
      httpMethods: app.supportedMethods,
      proxyPayloads: false,
      config: { operationId: service, open },
      disableRequestLogging: true,
      // Unbounded, since a request whose client has gone holds its connection until the service answers; inFlightMax bounds the rest.
      // The connector because the proxy library, left to itself, believes any certificate.
      undici: { connections: null, headersTimeout: timeoutMs, connect: connector(CONNECT_TIMEOUT_MS) },
      replyOptions: {
        rewriteRequestHeaders,
        rewriteHeaders,
        onError: away as never,
        onResponse: ((request, reply, answer) => passOn(request, reply, answer, closing)) as PassOn as never,
        // Whoever asked decides whether to ask again.
        retryDelay: () => null
      }
    })
  }
  forward(VERSION_PREFIX, resources, new URL(url).pathname, false)
  forward('', beside, rootPathOf(url), true)
}

/** Headers that concern one connection only (RFC 9110 §7.6.1), and Expect, which the server has answered already. */
const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect']
const unasked = new Set(hopByHop)
/** A GET or HEAD goes on without the body that it should not have. */
const unaskedWithoutBody = new Set([...hopByHop, 'content-length', 'content-type'])
/** Which pages may read an answer is decided here, and what runs behind is nobody's business. */
const unanswered = new Set([...hopByHop, 'server', 'x-powered-by'])

type Hooks = Required<NonNullable<FastifyHttpProxyOptions['replyOptions']>>

const rewriteHeaders: Hooks['rewriteHeaders'] = headers => {
  const answered: typeof headers = {}
  for (const name in headers) if (!unanswered.has(name) && !name.startsWith('access-control-')) answered[name] = headers[name]
  return answered
}

const rewriteRequestHeaders: Hooks['rewriteRequestHeaders'] = (request, headers) => {
  const dropped = request.method === 'GET' || request.method === 'HEAD' ? unaskedWithoutBody : unasked
  const sent: typeof headers = {}
  for (const name in headers) if (!dropped.has(name) && !vouchesForSomebody(name)) sent[name] = headers[name]
  sent['x-request-id'] = requestIdOf(request as FastifyRequest)
  sent.traceparent = request.traceparent
  // Believed by a service that names the gateway in TRUSTED_PROXIES, as where a request comes from and nothing else.
  sent['x-forwarded-for'] = clientAddress(request as FastifyRequest)
  return sent
}

type PassOn = (request: FastifyRequest, reply: FastifyReply, answer: { stream: Readable }) => void

/** The proxy library would end the connection of a client whose body is still coming, which then might not get to read the reply. */
function passOn({ raw }: FastifyRequest, reply: FastifyReply, { stream }: { stream: Readable }, closing: AbortSignal): void {
  if (!raw.complete) reply.removeHeader('connection')
  letBodyGo(raw, reply.raw)
  reply.send(isEndless(reply) ? endedBy(closing, stream) : stream)
}

/** The stream, which ends when the signal aborts: it has no end that a gateway that stops could wait for. */
function endedBy(closing: AbortSignal, stream: Readable): Readable {
  const passed = new PassThrough()
  const end = () => {
    stream.unpipe(passed).destroy()
    passed.end()
  }
  closing.addEventListener('abort', end, { once: true })
  passed.on('close', () => {
    closing.removeEventListener('abort', end)
    stream.destroy()
  })
  // What breaks off is not to look like an end.
  stream.on('error', error => closing.aborted || passed.destroy(error)).pipe(passed)
  if (closing.aborted) end()
  return passed
}

/** Takes the bodies of requests as they are forwarded. */
export function passBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (_request, body, done) => done(null, Readable.from([body])))
  app.addContentTypeParser('*', (request, payload, done) => {
    keepBodyComing(request.raw)
    done(null, detached(payload))
  })
}

/** The body as a stream of its own: a service that stops reading it must not break the connection on which its answer goes back. */
function detached(payload: Readable): Readable {
  const body = new PassThrough()
  payload.on('error', error => body.destroy(error)).pipe(body)
  return body.on('close', () => payload.resume())
}

/** `http://shop/api/v1` → `/api`: what stands outside the version prefix. */
export function rootPathOf(url: string): string {
  return new URL(url).pathname.replace(/\/v\d+\/?$/, '').replace(/\/$/, '')
}
