/** The server's limits, what it answers to requests that no route ever sees, and how it ends: what it accepted is answered. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import type { FastifyHttpOptions, FastifyInstance, RawServerDefault } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import type { TrustsProxy } from '../identity/trusted-proxies.ts'
import { listed } from '../text/listed.ts'
import { normalizedText } from '../text/unicode.ts'
import type { ListenerTls } from '../tls/tls.ts'
import { continueTrace, traceIdOf } from '../trace.ts'
import { limitBody } from './http-bodies.ts'
import { ofParser, problemHeaders, problemOf, rawProblem, toProblemJson, URL_BYTES_MAX } from './http-problems.ts'
import { safeHeaders } from './http-security.ts'

const BODY_BYTES_MAX = 1_048_576
/** Of the line that says what is asked for and all header fields together. */
const HEADER_BYTES_MAX = 16_384
const HEADERS_MAX = 100
const HEADER_VALUE_BYTES_MAX = 8192
const PATH_PARAMETER_MAX = 200
/** Longer than any handler, and than the pause between two signs of life of a stream. */
const SILENCE_MS_MAX = 60_000
const AUTHORIZATION = 'authorization'

let serial = 0
const processPart = Math.random().toString(36).slice(2, 8)
const nextRequestId = () => `${processPart}-${(++serial).toString(36)}`

export function frameworkOptions(baseUrl: string, { tls, trustsProxy }: Edge): FastifyHttpOptions<RawServerDefault> {
  return {
    logger: false,
    ...(trustsProxy ? { trustProxy: trustsProxy } : {}),
    bodyLimit: BODY_BYTES_MAX,
    genReqId: nextRequestId,
    routerOptions: { maxParamLength: PATH_PARAMETER_MAX, querystringParser: parseQuery },
    serverFactory: handle => openServer(handle, baseUrl, tls),
    return503OnClosing: false,
    clientErrorHandler(error, socket) {
      if (tls && !secured.has(socket as Socket)) socket.destroy()
      else refuseOnSocket(socket as Socket, ofParser(error), baseUrl)
    },
    frameworkErrors(error, request, reply) {
      const problem = problemOf(error)
      reply.code(problem.status as never).headers(edgeHeaders(problem, request.id, baseUrl))
      reply.send(JSON.stringify(toProblemJson(problem, { baseUrl, ...contextOf(request) })) as never)
    }
  }
}

/** Node's own answers to what it refuses have no body: ours say what is wrong. */
function openServer(handle: RequestListener, baseUrl: string, tls: ListenerTls | undefined): Server {
  const limits = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: 10_000,
    // How often headers that do not end are looked for.
    connectionsCheckingInterval: 5_000,
    requestTimeout: 0,
    keepAliveTimeout: 75_000
  }
  const options = { ...limits, requireHostHeader: false }
  const server: Server = tls ? createSecureServer({ ...options, ...tls.options() }, answer) : createServer(options, answer)
  // A client that takes nothing of its answer would hold a place in flight for ever.
  server.timeout = SILENCE_MS_MAX
  if (tls) followHandshakes(server, tls)

  function answer(...[request, response]: Parameters<RequestListener>) {
    // To Node, what came right behind a request that was refused is one more request.
    if (closing.has(request.socket)) return
    limitBody(request, () => refuseLate(request.socket, baseUrl))
    const problem = beyondLimits(request)
    if (!problem) return void handle(request, response)
    closing.add(request.socket)
    const body = JSON.stringify(toProblemJson(problem, { baseUrl, ...contextOf(request) }))
    const length = { 'content-length': Buffer.byteLength(body), connection: 'close' }
    response.writeHead(problem.status, { ...edgeHeaders(problem, nextRequestId(), baseUrl), ...length }).end(body)
  }
  // An expectation that is not understood may be passed over (RFC 9110 §10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('connect', (_request, socket) => refuseOnSocket(socket as Socket, new Problem('not-implemented'), baseUrl))
  return server
}

/** Connections of which the handshake is done: to any other nothing can be said. */
const secured = new WeakSet<Socket>()

function followHandshakes(server: Server, tls: ListenerTls): void {
  tls.follow(server as unknown as TlsServer)
  server.prependListener('secureConnection', socket => secured.add(socket))
}

/** Connections that end with the refusal of what came on them. */
const closing = new WeakSet<Socket>()

/** What is refused before any route sees it. */
function beyondLimits({ headers, httpVersion, rawHeaders, url }: IncomingMessage): Problem | undefined {
  if (headers.host === undefined && httpVersion !== '1.0') return new Problem('malformed-http', 'The request names no Host')
  // Whoever stands before us may not read such a body to the same end.
  const coding = headers['transfer-encoding']?.toLowerCase() ?? 'chunked'
  if (coding !== 'chunked') return refusedCoding(listed(coding))
  if (url!.length > URL_BYTES_MAX) return new Problem('uri-too-long', `An address may have ${URL_BYTES_MAX} bytes`)
  if (rawHeaders.length > 2 * HEADERS_MAX) return new Problem('headers-too-large', `There may be ${HEADERS_MAX} header fields`)
  let credentials = 0
  for (let value = 1; value < rawHeaders.length; value += 2) {
    const name = rawHeaders[value - 1]!
    // Node takes the first, others the last: whose it is would be a guess.
    if (name.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION && ++credentials > 1)
      return new Problem('malformed-http', 'There are several Authorization headers')
    if (rawHeaders[value]!.length > HEADER_VALUE_BYTES_MAX)
      return new Problem('headers-too-large', `A header field may have ${HEADER_VALUE_BYTES_MAX} bytes`)
  }
  return undefined
}

/** Where a body ends is known only if its last coding is chunked, and no other is (RFC 9112 §6.1, §6.3). */
function refusedCoding(codings: readonly string[]): Problem {
  return codings.length > 1 && codings.indexOf('chunked') === codings.length - 1
    ? new Problem('not-implemented', 'The only transfer coding is chunked')
    : new Problem('malformed-http', 'The last transfer coding must be chunked, once')
}

function edgeHeaders(problem: Problem, requestId: string, baseUrl: string): Record<string, string> {
  return { ...safeHeaders(baseUrl), ...problemHeaders(problem), 'x-request-id': requestId }
}

function contextOf({ headers, url }: { headers: IncomingHttpHeaders; url?: string | undefined }) {
  return { traceId: traceIdOf(continueTrace(headers.traceparent)), instance: url?.split('?')[0] }
}

/** Node says nowhere else which reply a connection is busy with. */
type BusySocket = Socket & { _httpMessage?: ServerResponse | null }

/** Nothing more is read from a client whose body does not come. */
function refuseLate(socket: Socket, baseUrl: string): void {
  refuseOnSocket(socket, new Problem('request-timeout'), baseUrl)
  setTimeout(() => socket.destroy(), 1000).unref()
}

const refusedLater = new WeakSet<Socket>()

/** Ends a connection with a problem, after the replies to the requests that came before on it: a client would take it for one of those. */
function refuseOnSocket(socket: BusySocket, problem: Problem, baseUrl: string): void {
  if (refusedLater.has(socket)) return
  const busy = socket._httpMessage
  if (socket.destroyed || !socket.writable || (busy?.headersSent && !busy.req.complete)) return void socket.destroy()
  if (busy?.req.complete) {
    refusedLater.add(socket)
    return void busy.once('close', () => {
      refusedLater.delete(socket)
      refuseOnSocket(socket, problem, baseUrl)
    })
  }
  const traceId = traceIdOf(continueTrace(undefined))
  socket.end(rawProblem(problem, { baseUrl, traceId }, edgeHeaders(problem, nextRequestId(), baseUrl)))
}

/** A parameter that stands twice becomes a list, which a scalar's schema refuses. */
function parseQuery(text: string): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null)
  for (const [name, given] of new URLSearchParams(text)) {
    const value = normalizedText(given)
    const known = query[name]
    if (Array.isArray(known)) known.push(value)
    else query[name] = known === undefined ? value : [known, value]
  }
  return query
}

export interface HttpServer extends AsyncDisposable {
  /** `http://127.0.0.1:41234`, or https where TLS is spoken. */
  readonly url: string
}

type Edge = {
  tls?: ListenerTls | undefined
  /** Whose X-Forwarded-For is believed; without it nobody's. */
  trustsProxy?: TrustsProxy | undefined
}

export type Listening = Edge & { host: string; port: number; shutdownTimeoutMs: number }

/** Listens until disposed; disposing lets requests in flight end. */
export async function listen(app: FastifyInstance, { host, port, shutdownTimeoutMs, tls }: Listening): Promise<HttpServer> {
  const { server } = app
  const open = new Set<BusySocket>()
  const remember = (socket: BusySocket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }
  const handshakes = new Map<string, Socket>()
  if (tls) {
    const peerOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket)
      handshakes.set(peer, socket)
      socket.once('close', () => handshakes.delete(peer))
    })
    server.on('secureConnection', (socket: Socket) => {
      handshakes.delete(peerOf(socket))
      remember(socket)
    })
  } else server.on('connection', remember)
  await app.listen({ host, port })
  const { address, port: taken } = server.address() as AddressInfo
  return {
    url: `${tls ? 'https' : 'http'}://${address.includes(':') ? `[${address}]` : address}:${taken}`,
    async [Symbol.asyncDispose]() {
      // Nobody is to ask again on a connection that ends.
      for (const { _httpMessage: reply } of open) if (reply && !reply.headersSent) reply.setHeader('connection', 'close')
      const timer = setTimeout(() => server.closeAllConnections(), shutdownTimeoutMs)
      const idle = setInterval(() => {
        server.closeIdleConnections()
        // To Node, a connection on which nothing was ever asked is not idle.
        for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
        for (const socket of handshakes.values()) socket.destroy()
      }, 100)
      await app.close()
      clearTimeout(timer)
      clearInterval(idle)
    }
  }
}
