/** Opens what the chosen roles share, starts them, and stops them in reverse. */
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Broker, BrokerLog } from '#broker/broker.ts'
import { faulty } from '#broker/faulty.ts'
import { type BrokerOptions, openBroker } from '#broker/open.ts'
import { openAuthenticator } from '#platform/auth.ts'
import type { Config } from '#platform/config.ts'
import type { Log } from '#platform/log.ts'
import { type OpenService, openService, type Service, type Shared } from '#platform/service.ts'
import { unroutableEvents } from '#platform/telemetry.ts'
import { roles } from './roles.ts'

export interface Ecosystem extends AsyncDisposable {
  /** The gateway, or the one service that runs here: `http://localhost:8080`. */
  url: string
  /** Where each service's API is, with its version prefix. */
  urls: Record<string, string>
  databaseUrl: string
}

export async function startEcosystem(config: Config, roleNames: readonly string[], log: Log): Promise<Ecosystem> {
  await using stack = new AsyncDisposableStack()
  // First, so that it ends last: what ends after it would be seen by nobody.
  if (config.OTEL_EXPORTER_OTLP_ENDPOINT) stack.use((await import('#platform/opentelemetry.ts')).startTracing(config, log))
  const port = config.PORT === 0 ? await freePort() : config.PORT
  const localUrl = `http://localhost:${port}`
  const baseUrl = config.PUBLIC_URL?.replace(/\/+$/, '') ?? localUrl
  const databaseUrl = config.DATABASE_URL ?? stack.use(await startDatabase(config, log)).url
  const broker = stack.use(await openChosenBroker(config, databaseUrl, log))
  const urls = configuredUrls(config)
  const authenticator = openAuthenticator({
    issuer: config.ISSUER_URL ?? `${baseUrl}/oauth`,
    audience: config.AUDIENCE,
    jwksUrl: () => config.JWKS_URL ?? new URL('/oauth/jwks', urls.user ?? localUrl).href
  })
  const shared: Shared = { config, log, databaseUrl, broker, authenticator, urls, baseUrl }

  const apis = roleNames.filter(name => roles[name] !== 'gateway' && partsOf(name).includes('api'))
  const apiPort = !roleNames.includes('gateway') && apis.length === 1 ? port : 0
  const open = new Map<Service, OpenService>()
  for (const name of roleNames) {
    const role = roles[name]
    if (role === undefined || role === 'gateway') continue
    let service = open.get(role.service)
    if (!service) {
      service = stack.use(await openService(role.service, shared))
      open.set(role.service, service)
    }
    for (const part of role.parts) {
      const started = stack.use(await service.start(part, { port: apiPort }))
      if (started.url) urls[role.service.name] = `${started.url}/v1`
    }
  }
  if (roleNames.includes('gateway')) {
    const { startGateway } = await import('./services/gateway/service.ts')
    stack.use(await startGateway({ config, log, baseUrl, urls, port }))
  }
  const running = stack.move()
  return { url: localUrl, urls, databaseUrl, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

function partsOf(name: string): readonly string[] {
  const role = roles[name]
  return role === undefined || role === 'gateway' ? [] : role.parts
}

function configuredUrls(config: Config): Record<string, string> {
  const urls = {
    product: config.PRODUCT_SERVICE_URL,
    order: config.ORDER_SERVICE_URL,
    user: config.USER_SERVICE_URL,
    search: config.SEARCH_SERVICE_URL
  }
  return Object.fromEntries(Object.entries(urls).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

async function startDatabase({ DATA_DIR }: Config, log: Log): Promise<AsyncDisposable & { url: string }> {
  const { startEmbeddedPostgres } = await import('#platform/embedded-postgres.ts')
  return startEmbeddedPostgres({ dataDir: join(DATA_DIR, 'postgres'), log: text => log.info({ unit: 'postgres' }, text) })
}

async function openChosenBroker(config: Config, databaseUrl: string, log: Log): Promise<Broker> {
  const broker = await openBroker({ ...brokerOptions(config, databaseUrl), log: brokerLog(log) })
  const faults = config.EVENT_FAULTS?.split(',')
  if (!faults) return broker
  return faulty(broker, {
    shuffle: faults.includes('shuffle'),
    duplicate: faults.includes('duplicate'),
    delayMs: faults.includes('delay') ? 500 : 0,
    seed: 1
  })
}

function brokerLog(log: Log): BrokerLog {
  const lines = log.child({ unit: 'broker' })
  return { warn: (details, message) => lines.warn(details, message), unroutable: topic => unroutableEvents.inc({ topic }) }
}

/** An embedded database or DATABASE_URL carries its own credentials: those of the broker are for a broker. */
function brokerOptions(config: Config, databaseUrl: string): BrokerOptions {
  if (!config.BROKER_URL) return { url: databaseUrl }
  const { BROKER_USERNAME: username, BROKER_PASSWORD: password, BROKER_SASL_MECHANISM: saslMechanism } = config
  const { BROKER_TLS_CA: ca, BROKER_TLS_CERT: cert, BROKER_TLS_KEY: key } = config
  return {
    url: config.BROKER_URL,
    saslMechanism,
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    tls: { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
