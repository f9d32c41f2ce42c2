/** One address for many services: each request goes on to the service that its path belongs to; see http-forward.ts for how. */
import Fastify from 'fastify'
import { Problem } from '#contracts/problems.ts'
import type { Log } from '../log.ts'
import { refusing } from './http.ts'
import { type Admission, admitRequests } from './http-admission.ts'
import { answers } from './http-connector.ts'
import { addDocument } from './http-contracts.ts'
import { addCors } from './http-cors.ts'
import { followRequests } from './http-follow.ts'
import { addUpstream, passBodies, rootPathOf, type Upstream } from './http-forward.ts'
import { addHealth, type Readiness } from './http-health.ts'
import { safeHeaders } from './http-security.ts'
import { frameworkOptions, type HttpServer, type Listening, listen } from './http-server.ts'

export type GatewayOptions = Listening & {
  upstreams: readonly Upstream[]
  /** The OpenAPI document of all of them. */
  document: () => object
  log: Log
  /** Where people reach it; problem types are there. */
  baseUrl: string
  admission: Admission
  /** The origins whose pages may ask. */
  corsOrigins: readonly string[]
  inFlightMax: number
  /** How long a service may take to begin its answer once the request is there, or to take a piece of one that is streamed. */
  timeoutMs?: number
}

const TIMEOUT_MS = 35_000
const READY_TIMEOUT_MS = 2_000

/** Serves until disposed; disposing lets requests in flight end. */
export async function serveGateway(options: GatewayOptions): Promise<HttpServer> {
  const { upstreams, log, baseUrl } = options
  const app = Fastify(frameworkOptions(baseUrl, options))
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

  const headers = safeHeaders(baseUrl)
  followRequests(app, { service: 'gateway', log, inFlightMax: options.inFlightMax, sheds: () => true, forwards: true, headers })
  // Before anybody is refused, so that their page can read why.
  addCors(app, options.corsOrigins)
  admitRequests(app, options.admission)

  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())
  for (const upstream of upstreams) addUpstream(app, upstream, { timeoutMs, refuse, log, closing: closing.signal })
  addDocument(app, options.document)
  addHealth(app, () => readyWith(upstreams))
  return listen(app, options)
}

/** Ready when every service is; says which is not. */
async function readyWith(upstreams: readonly Upstream[]): Promise<Readiness> {
  const services = Object.fromEntries(await Promise.all(upstreams.map(async each => [each.service, await readiness(each)])))
  const away = Object.keys(services).filter(service => services[service] !== 'ok')
  return away.length === 0 ? { status: 'ok', services } : { status: 'unavailable', reason: `away: ${away.join(', ')}`, services }
}

async function readiness({ url }: Upstream): Promise<'ok' | 'unavailable'> {
  const ok = await answers(new URL(`${rootPathOf(url)}/health/ready`, url), READY_TIMEOUT_MS)
  return ok ? 'ok' : 'unavailable'
}
