/** One address for many services: each request goes on to the service that its path belongs to; see http-forward.ts for how. */
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import { addTraceparent, type HttpServer, observe, refusing, requestIdOf } from './http.ts'
import { addDocument } from './http-contracts.ts'
import { addUpstream, passBodies, rootPathOf, type Upstream } from './http-forward.ts'
import { closeableServer, frameworkOptions } from './http-server.ts'
import type { Log } from './log.ts'
import { registry } from './telemetry.ts'

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

const TIMEOUT_MS = 35_000
const READY_TIMEOUT_MS = 2_000

/** Serves until disposed; disposing lets requests in flight end. */
export async function serveGateway(options: GatewayOptions): Promise<HttpServer> {
  const { upstreams, log, baseUrl } = options
  const app = Fastify(frameworkOptions(baseUrl))
  const refuse = refusing(baseUrl, log)
  app.setErrorHandler((error: { statusCode?: number; code?: string }, request, reply) => {
    // The proxy library refuses paths that climb out of where they belong with an error that says no more than that.
    const climbs = error.statusCode === 400 && error.code === undefined
    return refuse(request, reply, climbs ? new Problem('not-found', 'There is no such path') : error)
  })
  app.setNotFoundHandler((request, reply) => {
    const known = app.supportedMethods.includes(request.method)
    return refuse(request, reply, known ? new Problem('not-found', 'There is no such path') : new Problem('not-implemented'))
  })
  passBodies(app)

  let inFlight = 0
  addTraceparent(app)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff')
    reply.header('x-request-id', requestIdOf(request))
    // Not with onResponse, which does not come when the client has gone.
    reply.raw.once('close', () => inFlight--)
    done(++inFlight > options.inFlightMax ? new Problem('unavailable', 'Too many requests are in flight') : undefined)
  })
  app.addHook('onResponse', (request, reply, done) => {
    observe('gateway', request, reply, log, true)
    done()
  })

  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  for (const upstream of upstreams) addUpstream(app, upstream, { timeoutMs, refuse, log })
  addDocument(app, options.document)
  addHealth(app, upstreams)
  await app.listen({ host: options.host, port: options.port })
  const { address, port } = app.server.address() as AddressInfo
  return closeableServer(app, `http://${address.includes(':') ? `[${address}]` : address}:${port}`, options.shutdownTimeoutMs)
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
