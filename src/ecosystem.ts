/** Opens what the chosen roles share, starts them, and stops them in reverse. */
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Broker, BrokerLog } from '#broker/broker.ts'
import { faulty } from '#broker/faulty.ts'
import { type BrokerOptions, openBroker } from '#broker/open.ts'
import { type Config, ConfigInvalid, environmentOf } from '#platform/config.ts'
import type { Authenticator } from '#platform/identity/actor.ts'
import { type LookUpApiKey, openApiKeyCheck } from '#platform/identity/api-key-check.ts'
import { openIntrospection } from '#platform/identity/api-key-introspection.ts'
import { openAuthenticator } from '#platform/identity/auth.ts'
import { openCredentials } from '#platform/identity/credentials.ts'
import { type TrustedIssuer, trustedIssuers } from '#platform/identity/issuers.ts'
import { openOpaqueTokens } from '#platform/identity/opaque-tokens.ts'
import { openTokenIntrospection } from '#platform/identity/token-introspection.ts'
import { trustedProxies } from '#platform/identity/trusted-proxies.ts'
import { openUserService } from '#platform/identity/user-service.ts'
import type { Log } from '#platform/log.ts'
import { type OpenService, openService, type Service, type Shared } from '#platform/service.ts'
import { unroutableEvents } from '#platform/telemetry.ts'
import { openListenerTls } from '#platform/tls/tls.ts'
import { introduce, trust } from '#platform/tls/tls-outgoing.ts'
import { roles } from './roles.ts'
import { serviceCredentials } from './service-credentials.ts'

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
  if (config.TLS_CA) trust(config.TLS_CA)
  const tls = stack.use(openListenerTls(config, log))
  if (tls) introduce(tls.identity)
  const port = config.PORT === 0 ? await freePort() : config.PORT
  const localUrl = `${tls ? 'https' : 'http'}://localhost:${port}`
  const baseUrl = config.PUBLIC_URL?.replace(/\/+$/, '') ?? localUrl
  const databaseUrl = config.DATABASE_URL ?? stack.use(await startDatabase(config, log)).url
  const broker = stack.use(await openChosenBroker(config, databaseUrl, log))
  const urls = configuredUrls(config)
  const issuers = trustedIssuers(config, {
    url: `${baseUrl}/oauth`,
    keysUrl: () => new URL('/oauth/jwks', urls.user ?? localUrl).href
  })
  const tokens = openAuthenticator({ issuers, log })
  const credentials = () =>
    serviceCredentials(config, urls.user ? new URL('/oauth', urls.user).href : (config.ISSUER_URL ?? `${localUrl}/oauth`))
  const introspection = stack.use(openIntrospection({ serviceUrl: () => urls.product, credentials }))
  const userService = checksUsers(config, roleNames) ? stack.use(openUserService({ url: () => urls.user, credentials })) : undefined
  let lookUp: LookUpApiKey = introspection.lookUp
  const apiKeys = openApiKeyCheck({ environment: environmentOf(config), lookUp: key => lookUp(key) })
  const authenticator = openCredentials({ tokens, apiKeys, opaqueTokens: openOpaque(issuers, stack) })
  const apiKeysAt = (own: LookUpApiKey) => {
    lookUp = own
  }
  // Behind a gateway in one process, services are nobody else's to reach: plain, over loopback.
  const behind = roleNames.includes('gateway')
  const trustsProxy = trustedProxies(config.TRUSTED_PROXIES, ...(behind ? ['127.0.0.1'] : []))
  const listening = behind ? { host: '127.0.0.1', trustsProxy } : { tls, trustsProxy }
  const shared: Shared = {
    config,
    log,
    databaseUrl,
    broker,
    authenticator,
    issuers: issuers.map(({ url }) => url),
    apiKeysAt,
    askUser: userService?.ask,
    urls,
    baseUrl,
    ...listening
  }

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
      // A certificate names the address that was configured, not the one we listen at.
      if (started.url && !(shared.tls && urls[role.service.name])) urls[role.service.name] = `${started.url}/v1`
    }
  }
  if (roleNames.includes('gateway')) {
    const { startGateway } = await import('./services/gateway/service.ts')
    stack.use(await startGateway({ config, log, baseUrl, urls, port, authenticator, tls }))
  }
  const running = stack.move()
  return { url: localUrl, urls, databaseUrl, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Of the issuer that gives out tokens which say nothing themselves; see ISSUERS. */
function openOpaque(issuers: readonly TrustedIssuer[], stack: AsyncDisposableStack): Authenticator | undefined {
  const issuer = issuers.find(({ introspection }) => introspection !== undefined)
  if (!issuer) return undefined
  return openOpaqueTokens({ issuer, introspect: stack.use(openTokenIntrospection(issuer.introspection!)).introspect })
}

/** Whether users are asked about; see USER_CHECKS. Throws where they are to be, and nobody is there to be asked. */
function checksUsers({ USER_CHECKS, USER_SERVICE_URL, ISSUER_URL, ISSUERS }: Config, roleNames: readonly string[]): boolean {
  const runsHere = roleNames.includes('user')
  if (USER_CHECKS === 'require' && !USER_SERVICE_URL && !runsHere)
    throw new ConfigInvalid(['USER_SERVICE_URL: is needed for USER_CHECKS=require, where no User Service runs in the process'])
  // The reference User Service knows nobody of another issuer.
  return USER_CHECKS ? USER_CHECKS === 'require' : USER_SERVICE_URL !== undefined || (runsHere && !ISSUER_URL && !ISSUERS)
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
  const { startEmbeddedPostgres } = await import('#platform/postgres/embedded-postgres.ts')
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
