/** The server's limits, and how it ends: what it accepted is answered, what is new is refused. */
import type { FastifyHttpOptions, FastifyInstance, RawServerDefault } from 'fastify'
import type { HttpServer } from './http.ts'
import { problemHeaders, problemOf, rawProblem, toProblemJson } from './http-problems.ts'

const BODY_BYTES_MAX = 1_048_576
const HEADER_BYTES_MAX = 16_384
const PATH_PARAMETER_MAX = 200

let serial = 0
const processPart = Math.random().toString(36).slice(2, 8)

export function frameworkOptions(baseUrl: string): FastifyHttpOptions<RawServerDefault> {
  return {
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: 30_000,
    keepAliveTimeout: 75_000,
    genReqId: () => `${processPart}-${(++serial).toString(36)}`,
    routerOptions: { maxParamLength: PATH_PARAMETER_MAX, querystringParser: parseQuery },
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: 10_000 },
    return503OnClosing: false,
    clientErrorHandler(error, socket) {
      if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return socket.destroy()
      socket.end(rawProblem(error, baseUrl))
    },
    frameworkErrors(error, _request, reply) {
      const problem = problemOf(error)
      reply.code(problem.status as never).headers(problemHeaders(problem))
      reply.send(JSON.stringify(toProblemJson(problem, { baseUrl })) as never)
    }
  }
}

/** A parameter that stands twice becomes a list, which a scalar's schema refuses. */
function parseQuery(text: string): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    query[name] = name in query ? [query[name], value].flat() : value
  }
  return query
}

export function closeableServer(app: FastifyInstance, url: string, timeoutMs: number): HttpServer {
  return {
    url,
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => app.server.closeAllConnections(), timeoutMs)
      const idle = setInterval(() => app.server.closeIdleConnections(), 100)
      await app.close()
      clearTimeout(timer)
      clearInterval(idle)
    }
  }
}
