/** Answers browsers that ask whether a page of another origin may ask. Tokens travel in a header, so no credentials are ever allowed. */
import type { FastifyInstance } from 'fastify'

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const ASKED =
  'Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Traceparent, Tracestate, X-API-Key, X-Request-Id'
const EXPOSED =
  'Deprecation, ETag, Event-Position, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Sunset, WWW-Authenticate, X-Request-Id'
const MAX_AGE_SECONDS = '600'

/** Lets pages of these origins ask, and read the answers and refusals. With none nothing is added. */
export function addCors(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  const allowed = new Set(origins)
  app.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers
    reply.header('vary', 'Origin')
    if (origin === undefined || !allowed.has(origin)) return done()
    reply.header('access-control-allow-origin', origin)
    if (request.method === 'OPTIONS' && method !== undefined) {
      reply.header('access-control-allow-methods', METHODS).header('access-control-allow-headers', ASKED)
      return void reply.header('access-control-max-age', MAX_AGE_SECONDS).code(204).send()
    }
    reply.header('access-control-expose-headers', EXPOSED)
    done()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // What a service answered may vary by something of its own.
    const vary = String(reply.getHeader('vary') ?? '')
    if (!/(^|,)\s*(origin|\*)\s*(,|$)/i.test(vary)) reply.header('vary', vary ? `${vary}, Origin` : 'Origin')
    done()
  })
}
