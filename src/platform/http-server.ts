/** The server's limits, what it answers to requests that no route ever sees, and how it ends: what it accepted is answered. */
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyHttpOptions, FastifyInstance, RawServerDefault } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import { limitBody } from './http-bodies.ts'
import { ofParser, problemHeaders, problemOf, rawProblem, toProblemJson } from './http-problems.ts'
import { continueTrace, traceIdOf } from './trace.ts'

const BODY_BYTES_MAX = 1_048_576
const HEADER_BYTES_MAX = 16_384
const PATH_PARAMETER_MAX = 200

let serial = 0
const processPart = Math.random().toString(36).slice(2, 8)
const nextRequestId = () => `${processPart}-${(++serial).toString(36)}`

export function frameworkOptions(baseUrl: string): FastifyHttpOptions<RawServerDefault> {
  return {
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    genReqId: nextRequestId,
    routerOptions: { maxParamLength: PATH_PARAMETER_MAX, querystringParser: parseQuery },
    serverFactory: handle => openServer(handle, baseUrl),
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => refuseOnSocket(socket as Socket, ofParser(error), baseUrl),
    frameworkErrors(error, request, reply) {
      const problem = problemOf(error)
      reply.code(problem.status as never).headers(edgeHeaders(problem, request.id))
      reply.send(JSON.stringify(toProblemJson(problem, { baseUrl, ...contextOf(request) })) as never)
    }
  }
}

/** Node's own answers to what it refuses have no body: ours say what is wrong. */
function openServer(handle: RequestListener, baseUrl: string): Server {
  const limits = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: 10_000, requestTimeout: 0, keepAliveTimeout: 75_000 }
  const server = createServer({ ...limits, requireHostHeader: false }, (request, response) => {
    limitBody(request, () => refuseLate(request.socket, baseUrl))
    if (request.headers.host !== undefined || request.httpVersion === '1.0') return handle(request, response)
    const problem = new Problem('malformed-http', 'The request names no Host')
    const body = JSON.stringify(toProblemJson(problem, { baseUrl, ...contextOf(request) }))
    const length = { 'content-length': Buffer.byteLength(body), connection: 'close' }
    response.writeHead(problem.status, { ...edgeHeaders(problem, nextRequestId()), ...length }).end(body)
  })
  // An expectation that is not understood may be passed over (RFC 9110 §10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('connect', (_request, socket) => refuseOnSocket(socket as Socket, new Problem('not-implemented'), baseUrl))
  return server
}

function edgeHeaders(problem: Problem, requestId: string): Record<string, string> {
  return { ...problemHeaders(problem), 'x-content-type-options': 'nosniff', 'x-request-id': requestId }
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
  socket.end(rawProblem(problem, { baseUrl, traceId }, edgeHeaders(problem, nextRequestId())))
}

/** A parameter that stands twice becomes a list, which a scalar's schema refuses. */
function parseQuery(text: string): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    const known = query[name]
    if (Array.isArray(known)) known.push(value)
    else query[name] = known === undefined ? value : [known, value]
  }
  return query
}

export interface HttpServer extends AsyncDisposable {
  /** `http://127.0.0.1:41234` */
  readonly url: string
}

export type Listening = { host: string; port: number; shutdownTimeoutMs: number }

/** Listens until disposed; disposing lets requests in flight end. */
export async function listen(app: FastifyInstance, { host, port, shutdownTimeoutMs }: Listening): Promise<HttpServer> {
  const { server } = app
  const open = new Set<BusySocket>()
  server.on('connection', (socket: BusySocket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  await app.listen({ host, port })
  const { address, port: taken } = server.address() as AddressInfo
  return {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${taken}`,
    async [Symbol.asyncDispose]() {
      // Nobody is to ask again on a connection that ends.
      for (const { _httpMessage: reply } of open) if (reply && !reply.headersSent) reply.setHeader('connection', 'close')
      const timer = setTimeout(() => server.closeAllConnections(), shutdownTimeoutMs)
      const idle = setInterval(() => {
        server.closeIdleConnections()
        // To Node, a connection on which nothing was ever asked is not idle.
        for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
      }, 100)
      await app.close()
      clearTimeout(timer)
      clearInterval(idle)
    }
  }
}
