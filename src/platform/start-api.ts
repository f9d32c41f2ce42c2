/** The API of a service: its handlers behind the edge, with the caches and followers that they share. */
import { openRefusals } from './audit/audit-refusals.ts'
import { openCursors } from './http/cursor.ts'
import { openDocuments } from './http/documents.ts'
import { serve } from './http/http.ts'
import { addResourceMetadata } from './http/http-challenges.ts'
import { addContracts } from './http/http-contracts.ts'
import { addHealth, readyWith } from './http/http-health.ts'
import { addKeySet } from './http/http-jwks.ts'
import type { HttpServer } from './http/http-server.ts'
import { openListings } from './http/listings.ts'
import { openAuthorizer } from './identity/authorize.ts'
import { openUsersOf } from './identity/known-users.ts'
import type { Log } from './log.ts'
import type { Consumer } from './messaging/consumer.ts'
import { openEventPermissions } from './messaging/event-permissions.ts'
import { openEventTail } from './messaging/event-tail.ts'
import type { Wakeup } from './messaging/wakeup.ts'
import type { Database } from './postgres/database.ts'
import type { Service, Shared } from './service.ts'
import { listed } from './text/listed.ts'

/** Serves the API of a service until disposed. */
export async function startApi(options: {
  service: Service
  shared: Shared
  database: Database
  eventLog: Wakeup
  consumers: readonly Consumer[]
  log: Log
  port: number
  forget: Set<(id: string) => void>
  forgetAll: Set<() => void>
}): Promise<HttpServer> {
  const { service, shared, database, eventLog, consumers, log, port, forget, forgetAll } = options
  const { config, authenticator, baseUrl } = shared
  const extend = await service.extend?.({ database, config, baseUrl, log })
  const listings = openListings(config.CACHE_BYTES_MAX / 4)
  forgetAll.add(listings.forget)
  // A start that fails half-way leaves nothing open: what records refusals would keep the process alive.
  await using stack = new AsyncDisposableStack()
  const tail = stack.use(openEventTail({ database, eventLog, log, followersMax: config.EVENT_FOLLOWERS_MAX }))
  const refusals = stack.use(openRefusals({ service: service.name, database, log }))
  const server = await serve({
    api: service.api,
    edge: {
      database,
      consumers,
      cursors: await openCursors(database),
      handlers: service.handlers,
      baseUrl,
      documents(handler) {
        const documents = openDocuments(ids => handler.load(database, ids), (config.CACHE_BYTES_MAX * 3) / 4)
        forget.add(documents.forget)
        return documents
      },
      listings,
      tail,
      eventPermissions: openEventPermissions(config.EVENT_CONSUMERS),
      uploadBytesMax: config.IMPORT_BYTES_MAX,
      log
    },
    authenticator,
    authorizer: openAuthorizer(openUsersOf(service, { askUser: shared.askUser, config, database, log })),
    refusals,
    log,
    baseUrl,
    host: shared.host ?? config.HOST,
    port,
    tls: shared.tls,
    trustsProxy: shared.trustsProxy,
    corsOrigins: listed(config.CORS_ORIGINS),
    inFlightMax: config.REQUESTS_IN_FLIGHT_MAX,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    extend(app) {
      addHealth(app, () => readyWith(database))
      addContracts(app, service.api, baseUrl)
      addKeySet(app, database, config.SIGNING_KEY_RETENTION_DAYS)
      addResourceMetadata(app, baseUrl, shared.issuers ?? [])
      extend?.(app)
    }
  })
  stack.use(server)
  const held = stack.move()
  return { url: server.url, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
