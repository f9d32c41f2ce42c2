/** A request as the cause of what is called for it: its trace, when its caller has gone, and until when that waits. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { becauseOf, type Cause } from '../resilience/cause.ts'
import { TIMEOUT_HEADER } from './http-exchange.ts'

/** A request is worth no more than that, however patient its caller: what is called for it gives up in time to say so. */
const WORTH_MS = 10_000

declare module 'fastify' {
  interface FastifyRequest {
    cause: Cause | null
  }
}

/** Everything that is done for a request knows it as its cause. */
export function followCauses(app: FastifyInstance): void {
  app.decorateRequest('cause', null)
  app.addHook('onRequest', (request, reply, done) => {
    request.cause = new RequestCause(request, reply)
    becauseOf(request.cause, done)
  })
}

/** Its parts are made when something is called: most requests never do. A class, since making one costs every request. */
class RequestCause implements Cause {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  #gone: AbortController | undefined
  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.#request = request
    this.#reply = reply
  }

  get traceparent() {
    return this.#request.traceparent
  }

  get deadlineAt() {
    return performance.now() - this.#reply.elapsedTime + timeoutOf(this.#request.headers[TIMEOUT_HEADER])
  }

  get signal() {
    this.#gone ??= abortedWithout(this.#reply.raw)
    return this.#gone.signal
  }
}

/** Aborts when the connection ends before the reply does. */
function abortedWithout(raw: FastifyReply['raw']): AbortController {
  const gone = new AbortController()
  const end = () => {
    if (!raw.writableFinished) gone.abort()
  }
  if (raw.destroyed) end()
  else raw.once('close', end)
  return gone
}

/** What the caller says that it waits for; anything that is no whole number of milliseconds says nothing. */
function timeoutOf(header: string | string[] | undefined): number {
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Math.min(Number(header), WORTH_MS) : WORTH_MS
}
