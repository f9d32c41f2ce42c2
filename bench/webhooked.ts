/** The webhooks of the product service by the parts that a process runs: relay, fan-out and delivery, on a database of their own. */
import { setTimeout as delay } from 'node:timers/promises'
import { InventoryUpdated } from '#contracts/events/inventory-events.ts'
import { allScopes } from '#contracts/scopes.ts'
import { readConfig } from '#platform/config.ts'
import { openEgress } from '#platform/egress/egress.ts'
import { newId } from '#platform/id.ts'
import type { Actor } from '#platform/identity/actor.ts'
import { openLog } from '#platform/log.ts'
import { announce, announceAll, announcement } from '#platform/messaging/outbox.ts'
import { startRelay } from '#platform/messaging/relay.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import { type Database, openDatabase } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openCurrentKey } from '#platform/signing/signing.ts'
import { createWebhookEndpoint } from '../src/services/product/webhooks/create-webhook-endpoint.ts'
import { startWebhookDelivery } from '../src/services/product/webhooks/deliver-webhooks.ts'
import { startWebhookFanOut } from '../src/services/product/webhooks/fan-out-webhooks.ts'
import { termsOf } from '../src/services/product/webhooks/webhook-terms.ts'

export const IN_FLIGHT = 32

export type Webhooked = {
  database: Database
  /** Forgets every endpoint and delivery, and begins anew with endpoints at these addresses. */
  begin(urls: readonly string[]): Promise<void>
  /** Announces so many events and fans them out, with nobody to deliver them yet. */
  fill(events: number): Promise<void>
  /** Announces one event in a transaction of its own; `committed` is called at its end. */
  announce(sequence: number, committed: () => void): Promise<void>
  /** Relays and fans out until disposed. */
  fanOut(): AsyncDisposable
  /** Delivers until disposed. `delivered` is called at each good answer, before that is recorded. */
  deliver(delivered?: () => void): AsyncDisposable
  /** Resolves when so many deliveries are recorded as delivered, and on disk. */
  recorded(count: number): Promise<void>
  /** How many tries have failed at the endpoint of this address. */
  failures(url: string): Promise<number>
}

const service = { name: 'product', migrations: new URL('../src/services/product/migrations/', import.meta.url) }
const log = openLog({ LOG_LEVEL: 'error', LOG_FORMAT: 'json' })
const source = '/product-service'
const config = readConfig({ NODE_ENV: 'test', WEBHOOK_ALLOW_HTTP: '1', WEBHOOK_ALLOW_PRIVATE: '1' })
const actor: Actor = { issuer: 'bench', subject: 'bench', clientId: 'bench', scopes: new Set(allScopes) }
/** Short, so that an endpoint that hangs is tried again and again while it is measured, and one that is well soon has everything. */
const patience = { timeoutMs: 1500, breakerMs: 1000, delaysMs: Array.from({ length: 50 }, () => 1000) }
const AT_ONCE = 1000
const ASK_AGAIN_MS = 5
const GIVE_UP_MS = 60_000

export async function openWebhooked(databaseUrl: string, stack: AsyncDisposableStack): Promise<Webhooked> {
  const url = await migrate(databaseUrl, service, log)
  const origin = { source, config, announced: () => outbox.wake(), changed: () => {}, committed: () => {} }
  const database = stack.use(openDatabase({ url, schema: service.name, poolSize: 16, log, origin }))
  const outbox = openWakeup(database, 'outbox')
  const eventLog = openWakeup(database, 'event log', { followers: 'many' })
  const deliveries = openWakeup(database, 'webhook deliveries')
  const { rules, permissions, sealing } = termsOf(config)
  const currentKey = openCurrentKey({ database, sealing: openSealing(config.SIGNING_KEY_SECRET) })

  function fanOut(): AsyncDisposable {
    const owned = new AsyncDisposableStack()
    owned.use(startWebhookFanOut({ database, eventLog, deliveries, source, permissions, log }))
    owned.use(startRelay({ database, outbox, eventLog, log }))
    return owned
  }

  async function until(counting: string, wanted: number): Promise<void> {
    const since = performance.now()
    for (;;) {
      const [row] = await database.query<{ count: number }>(counting)
      if (row!.count >= wanted) return
      if (performance.now() - since > GIVE_UP_MS) throw new Error(`${row!.count} of ${wanted} after ${GIVE_UP_MS} ms: ${counting}`)
      await delay(ASK_AGAIN_MS)
    }
  }

  return {
    database,
    async begin(urls) {
      await database.query('truncate webhook_attempts, webhook_deliveries, webhook_messages, webhook_secrets, webhook_endpoints')
      for (const url of urls) {
        const body = { url, eventTypes: [InventoryUpdated.type], inFlightMax: IN_FLIGHT }
        const given = { params: {}, query: {}, body, actor, expected: null, traceparent: undefined }
        await database.transact(tx => createWebhookEndpoint(tx, given))
      }
    },
    async fill(events) {
      await using _ = fanOut()
      for (let from = 0; from < events; from += AT_ONCE) {
        const many = Array.from({ length: Math.min(AT_ONCE, events - from) }, (_, place) =>
          announcement(InventoryUpdated, level(), from + place + 1)
        )
        await database.transact(async tx => announceAll(tx, many))
      }
      await until('select count(*) as count from webhook_messages', events)
      // Until autovacuum has looked, PostgreSQL knows nothing of tables that were empty a moment ago.
      await database.query('analyze')
    },
    async announce(sequence, committed) {
      await database.transact(async tx => {
        announce(tx, InventoryUpdated, level(), sequence)
        tx.afterCommit(committed)
      })
    },
    fanOut,
    deliver(delivered = () => {}) {
      const owned = new AsyncDisposableStack()
      const egress = owned.use(openEgress({ rules }))
      const counting: typeof egress = {
        async post(url, sent) {
          const reply = await egress.post(url, sent)
          if (reply.status === 204) delivered()
          return reply
        },
        [Symbol.asyncDispose]: () => egress[Symbol.asyncDispose]()
      }
      const { WEBHOOK_DISABLE_AFTER_HOURS: disableAfterHours } = config
      owned.use(
        startWebhookDelivery({
          ...{ database, deliveries, permissions, sealing, currentKey, log },
          ...{ egress: counting, baseUrl: 'http://localhost:8080', disableAfterHours, ...patience }
        })
      )
      return owned
    },
    async recorded(count) {
      await until(`select count(*) as count from webhook_deliveries where status = 'delivered'`, count)
      // The worker does not wait for the disk. A commit that does has everything before it there.
      await database.query(`select pg_logical_emit_message(true, 'bench', '')`)
    },
    async failures(url) {
      const [row] = await database.query<{ count: number }>(
        `select count(*) as count from webhook_attempts join webhook_deliveries using (webhook_delivery_id)
         join webhook_endpoints using (webhook_endpoint_id) where error is not null and url = $1`,
        [url]
      )
      return row!.count
    }
  }
}

/** Of a product, a variant and a location of its own. */
function level() {
  return {
    productId: newId(),
    variantId: newId(),
    locationId: newId(),
    onHand: 10,
    reserved: 4,
    availableQuantity: 6,
    deltaOnHand: 0,
    deltaReserved: 1
  }
}
