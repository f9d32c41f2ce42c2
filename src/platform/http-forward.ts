/**
 * Forwarding, and the only door to the proxy library. A request goes on as it came: method, path, query, headers and body; nothing is
 * added that a service would trust. A service that is away is answered 503, never with a hanging or broken connection.
 */
import { PassThrough, Readable } from 'node:stream'
import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import type { Refuse } from './http.ts'
import { keepBodyComing, letBodyGo } from './http-bodies.ts'
import { isEndless, requestIdOf } from './http-follow.ts'
import type { Log } from './log.ts'

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
  const forward = (prefix: string, segments: readonly string[], rewritePrefix: string) => {
    if (segments.length === 0) return
    app.register(httpProxy, {
      prefix,
      upstream: new URL(url).origin,
      rewritePrefix,
      routes: segments.flatMap(segment => [`/${segment}`, `/${segment}/*`]),
      httpMethods: app.supportedMethods,
      proxyPayloads: false,
      config: { operationId: service },
      disableRequestLogging: true,
      // Unbounded, since a request whose client has gone holds its connection until the service answers; inFlightMax bounds the rest.
      undici: { connections: null, headersTimeout: timeoutMs, connectTimeout: CONNECT_TIMEOUT_MS },
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
