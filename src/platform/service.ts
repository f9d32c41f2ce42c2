/**
 * A service as a table of contents: what sets off what. The platform runs it in parts (api, relay, consumers, timers, webhooks), together in
 * one process or each in processes of its own.
 */
import type { Broker, Delivery } from '#broker/broker.ts'
import type { Api } from '#contracts/define.ts'
import { UserUpdated } from '#contracts/events/user-events.ts'
import { startSealer } from './audit/audit-sealer.ts'
import { watchAudit } from './audit/audit-watch.ts'
import { type Config, environmentOf } from './config.ts'
import type { Handler, Handlers } from './http/handlers.ts'
import type { HttpOptions } from './http/http.ts'
import type { Authenticator } from './identity/actor.ts'
import type { LookUpApiKey } from './identity/api-key-check.ts'
import type { AskUser } from './identity/known-users.ts'
import { followUser, type ToldUser } from './identity/known-users-store.ts'
import type { TrustsProxy } from './identity/trusted-proxies.ts'
import type { Log } from './log.ts'
import { watchBacklog } from './messaging/backlog.ts'
import { watchBrokerIntegration } from './messaging/broker-integration.ts'
import { watchBroker } from './messaging/broker-watch.ts'
import { consume } from './messaging/consume.ts'
import { type Consumer, on, type Reaction } from './messaging/consumer.ts'
import { openCrashWatch } from './messaging/crash-watch.ts'
import { trustOf } from './messaging/event-sources.ts'
import { countSent, processing } from './messaging/message-telemetry.ts'
import { startBrokerOutlet } from './messaging/outlet.ts'
import { startRetries } from './messaging/parking.ts'
import { startRelay } from './messaging/relay.ts'
import { openWakeup, type Wakeup } from './messaging/wakeup.ts'
import { type Database, openDatabase, type Queryable } from './postgres/database.ts'
import { type Migrating, migrate } from './postgres/migrate.ts'
import { startIntegrationViews } from './resilience/integration-views.ts'
import { openSealing } from './signing/sealing.ts'
import { openSignatureCheck } from './signing/signature-check.ts'
import { openSigner } from './signing/signing.ts'
import { startApi } from './start-api.ts'
import { startTimers, type Timer } from './timers.ts'
import type { ListenerTls } from './tls/tls.ts'

export type Consumers = Readonly<Record<string, readonly Reaction[]>>

export type Service = Migrating & {
  api: Api
  handlers: Record<string, Handler>
  /** Subscription → what its events cause; the consumer group is `<service>.<subscription>`. */
  consumers: Consumers | ((config: Config) => Consumers)
  timers: readonly Timer[]
  /** Shows figures of its own in /metrics, until disposed. */
  watch?: (database: Database) => Disposable
  /** Delivers events to whoever asked for them over HTTP, until disposed. */
  webhooks?: (context: WebhooksContext) => AsyncDisposable
  /** Of the service that keeps the API keys: how it says what one allows. */
  apiKeys?: (database: Queryable) => LookUpApiKey
  /** Of the service that keeps the users: how it says who some of them are. */
  users?: (database: Queryable, userIds: readonly string[]) => Promise<ToldUser[]>
  /** More paths beside the API, such as the development issuer's. */
  extend?: (context: {
    database: Database
    config: Config
    baseUrl: string
    log: Log
  }) => Promise<NonNullable<HttpOptions['extend']>>
}

/** What delivers events over HTTP is given: `source` is who published them, `baseUrl` where people reach the gateway. */
export type WebhooksContext = {
  database: Database
  config: Config
  source: string
  baseUrl: string
  eventLog: Wakeup
  log: Log
}

/** Puts a service together; an operation without a handler is a compile error. */
export function defineService<A extends Api>(
  service: Omit<Service, 'api' | 'handlers'> & { api: A; handlers: Handlers<A> }
): Service {
  return service as unknown as Service
}

/** What all services of a process share. */
export type Shared = {
  config: Config
  log: Log
  /** Of a user who may create roles and schemas. */
  databaseUrl: string
  broker: Broker
  authenticator: Authenticator
  /** Whose access tokens are believed. */
  issuers?: readonly string[]
  /** Is told by the service that keeps the API keys how to look one up: in its own process nobody has to ask it over HTTP. */
  apiKeysAt?: (lookUp: LookUpApiKey) => void
  /** How the User Service is asked; without it, who acts for a user is bound by the token only. */
  askUser?: AskUser | undefined
  /** Service → its address with its version prefix, as far as it is known yet. */
  urls?: Readonly<Record<string, string>>
  /** Where people reach the gateway: `http://localhost:8080`. */
  baseUrl: string
  /** Where services listen that only this process is to reach; without it at HOST. */
  host?: string
  /** With it services speak TLS. */
  tls?: ListenerTls | undefined
  /** Whose X-Forwarded-For services believe; without it nobody's. */
  trustsProxy?: TrustsProxy | undefined
}

export type Part = 'api' | 'relay' | 'consumers' | 'timers' | 'webhooks'

/** A service with its database open; parts are started on it. */
export interface OpenService extends AsyncDisposable {
  start(part: Part, at: { port: number }): Promise<AsyncDisposable & { url?: string }>
}

export async function openService(service: Service, shared: Shared): Promise<OpenService> {
  const { config, broker } = shared
  const log = shared.log.child({ service: service.name })
  const url = await migrate(shared.databaseUrl, service, log)
  let outbox: Wakeup | undefined
  const forget = new Set<(id: string) => void>()
  const forgetAll = new Set<() => void>()
  const source = `/${service.name}-service`
  const origin = {
    source,
    environment: environmentOf(config),
    config,
    announced: () => outbox?.wake(),
    changed: (id: string) => {
      for (const each of forget) each(id)
    },
    committed: () => {
      for (const each of forgetAll) each()
    }
  }
  const database = openDatabase({ url, schema: service.name, poolSize: config.DATABASE_POOL_SIZE, log, origin })
  if (service.apiKeys) shared.apiKeysAt?.(service.apiKeys(database))
  outbox = openWakeup(database, 'outbox')
  const eventLog = openWakeup(database, 'event log', { followers: 'many' })
  const crashWatch = openCrashWatch(database, log)
  const { urls, askUser } = shared
  const own = consumersOf(service, database, config, log, { urls, followsUsers: askUser !== undefined })
  const consumers = own.map(consumer => ({ ...consumer, crashWatch }))

  const parts: Record<Part, (at: { port: number }) => Promise<AsyncDisposable & { url?: string }>> = {
    api: ({ port }) => startApi({ service, shared, database, eventLog, consumers, log, port, forget, forgetAll }),
    async relay() {
      await using stack = new AsyncDisposableStack()
      const published = countSent(service.name)
      const sign = openSigner({ database, sealing: openSealing(config.SIGNING_KEY_SECRET) })
      stack.use(startBrokerOutlet({ database, broker, source, baseUrl: shared.baseUrl, eventLog, sign, log, published }))
      stack.use(startRelay({ database, outbox, eventLog, log }))
      stack.use(startSealer({ service: service.name, database, sign, log }))
      return stack.move()
    },
    async consumers() {
      await using stack = new AsyncDisposableStack()
      if (consumers.length > 0) stack.use(await crashWatch.start())
      for (const consumer of consumers) {
        stack.use(startRetries(consumer))
        const topics = topicsOf(consumer.reactions)
        const handle = (delivery: Delivery) => processing(consumer, delivery, () => consume(consumer, delivery))
        stack.use(await broker.subscribe({ group: consumer.name, topics, concurrency: CONCURRENCY, handle }))
      }
      return stack.move()
    },
    timers: async () => startTimers({ database, timers: service.timers, config, log }),
    async webhooks() {
      if (!service.webhooks) throw new Error(`${service.name} has no webhooks`)
      return service.webhooks({ database, config, source, baseUrl: shared.baseUrl, eventLog, log })
    }
  }
  const watching = new DisposableStack()
  const groups = consumers.map(({ name, reactions }) => ({ group: name, topics: topicsOf(reactions) }))
  const names = groups.map(({ group }) => group)
  watching.use(watchBacklog(service.name, database, names))
  watching.use(watchAudit(service.name, database))
  if (service.watch) watching.use(service.watch(database))
  watching.use(watchBroker(broker, groups))
  watching.use(watchBrokerIntegration(service.name, broker, groups))
  const started = new Set<Part>()
  const views = startIntegrationViews({ service: service.name, database, parts: () => [...started] })
  return {
    start(part, at) {
      started.add(part)
      return parts[part](at)
    },
    async [Symbol.asyncDispose]() {
      await views[Symbol.asyncDispose]()
      // One for all of them.
      await consumers[0]?.signatures?.[Symbol.asyncDispose]?.()
      watching[Symbol.dispose]()
      await database[Symbol.asyncDispose]()
    }
  }
}

const topicsOf = (reactions: readonly Reaction[]) => [...new Set(reactions.map(reaction => reaction.event.topic))]

/** Deliveries of one consumer in flight, each with a transaction of its own. */
const CONCURRENCY = 8

/** The consumers of a service as its tables name them; and the one that keeps what it knows of users, unless it has the users itself. */
export function consumersOf(
  service: Service,
  database: Database,
  config: Config,
  log: Log,
  { urls = {}, followsUsers = false }: { urls?: Shared['urls']; followsUsers?: boolean } = {}
): Consumer[] {
  const signatures = openSignatureCheck({ ...trustOf(config, urls), service: service.name, database, log })
  const retryDelaysMs = config.CONSUMER_RETRY_DELAYS_MS.split(',').map(Number)
  const consumers = typeof service.consumers === 'function' ? service.consumers(config) : service.consumers
  const users = followsUsers && !service.users ? { users: [on(UserUpdated, followUser)] } : {}
  return Object.entries({ ...consumers, ...users }).map(([name, reactions]) => ({
    name: `${service.name}.${name}`,
    reactions,
    database,
    retryDelaysMs,
    timeoutMs: config.CONSUMER_TIMEOUT_MS,
    signatures,
    traces: config.TRACE_CONSUMERS,
    log
  }))
}
