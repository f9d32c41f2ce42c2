/**
 * The reference gateway: every service behind one address. It shows that a client needs to know one address only; where a path leads
 * follows from the contracts. Credentials are verified and requests counted before a service is troubled; services verify again all the
 * same, and take no header of a gateway for an identity. A real one (nginx, Envoy, a cloud's) can take its place: docs/how-to/gateway.md.
 */
import { apis } from '#contracts/catalogue.ts'
import type { Api } from '#contracts/define.ts'
import { mergedOpenApi } from '#contracts/openapi.ts'
import type { Config } from '#platform/config.ts'
import type { Upstream } from '#platform/http/http-forward.ts'
import { serveGateway } from '#platform/http/http-gateway.ts'
import type { HttpServer } from '#platform/http/http-server.ts'
import type { Authenticator } from '#platform/identity/actor.ts'
import { trustedProxies } from '#platform/identity/trusted-proxies.ts'
import type { Log } from '#platform/log.ts'
import { listed } from '#platform/text/listed.ts'
import type { ListenerTls } from '#platform/tls/tls.ts'

export type GatewayService = {
  config: Config
  log: Log
  /** Where people reach it: `http://localhost:8080`. */
  baseUrl: string
  /** Service → its address with its version prefix: `http://127.0.0.1:4123/v1`. */
  urls: Readonly<Record<string, string>>
  port: number
  authenticator: Authenticator
  /** With it the gateway speaks TLS. */
  tls?: ListenerTls | undefined
}

/** What services serve beside their API that is reached through the gateway. */
const beside: Readonly<Record<string, readonly string[]>> = {
  product: ['asyncapi.json', 'problems', 'schemas', '.well-known'],
  user: ['oauth']
}

export function startGateway({ config, log, baseUrl, urls, port, authenticator, tls }: GatewayService): Promise<HttpServer> {
  return serveGateway({
    upstreams: upstreamsOf(apis, urls),
    document: () => mergedOpenApi(apis),
    log: log.child({ service: 'gateway' }),
    baseUrl,
    host: config.HOST,
    port,
    tls,
    trustsProxy: trustedProxies(config.TRUSTED_PROXIES),
    corsOrigins: listed(config.CORS_ORIGINS),
    admission: {
      authenticator,
      isOpen: openTo(apis),
      quotas: {
        client: config.RATE_LIMIT_CLIENT_PER_MINUTE,
        address: config.RATE_LIMIT_ADDRESS_PER_MINUTE,
        failures: config.RATE_LIMIT_FAILURES_PER_MINUTE
      },
      inFlightClientMax: config.REQUESTS_IN_FLIGHT_CLIENT_MAX
    },
    inFlightMax: config.REQUESTS_IN_FLIGHT_MAX,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS
  })
}

/** Whether anybody may ask, from the operations without a scope; what no contract knows is for nobody. */
export function openTo(apis: readonly Api[]): (method: string, path: string) => boolean {
  const open = apis
    .flatMap(({ operations }) => Object.values(operations))
    .filter(({ scope }) => scope === null)
    .map(({ method, path }) => ({ method, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))
  return (method, path) => open.some(each => method === each.method && each.pattern.test(path))
}

/** Who serves what, from the paths of the contracts. Throws when two services claim one, or when one has no address. */
export function upstreamsOf(apis: readonly Api[], urls: Readonly<Record<string, string>>): Upstream[] {
  const owners = new Map<string, string>()
  for (const { service, operations } of apis) {
    for (const { path } of Object.values(operations)) {
      const resource = path.split('/')[2]!
      const owner = owners.get(resource) ?? service
      if (owner !== service) throw new Error(`${path} belongs to ${service}, and to ${owner}`)
      owners.set(resource, service)
    }
  }
  return apis.map(({ service }) => {
    const url = urls[service]
    if (!url) throw new Error(`the ${service} service has no address`)
    const resources = [...owners].filter(([, owner]) => owner === service).map(([resource]) => resource)
    return { service, url, resources, beside: beside[service] ?? [] }
  })
}
