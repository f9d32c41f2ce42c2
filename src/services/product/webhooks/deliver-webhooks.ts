/**
 * Delivers what is due, one process at a time: so many at once and so fast as each endpoint asks for, and no endpoint waits for another. How
 * it went is recorded after the receiver has answered: a crash repeats deliveries with the same `webhook-id`, and never leaves one out.
 */
import type { Log } from '#platform/log.ts'
import type { EventPermissions } from '#platform/messaging/event-permissions.ts'
import type { Wakeup } from '#platform/messaging/wakeup.ts'
import type { Database, Session } from '#platform/postgres/database.ts'
import { exclusively } from '#platform/postgres/exclusive.ts'
import type { Sealing } from '#platform/signing/sealing.ts'
import { webhookAttempts } from '#platform/telemetry.ts'
import { attemptDelivery, type Sending, type Tried } from './attempt-delivery.ts'
import { cancelDeliveries, claimDue } from './claim-deliveries.ts'
import { type DeliveryLane, openDeliveryLane } from './delivery-lane.ts'
import { readLiveEndpoints } from './live-endpoints.ts'
import { type Disabling, disableEndpoints, recordAttempts } from './record-attempts.ts'
import { mayBeTold } from './webhook-delivery.ts'
import { readWebhookSecrets, type WebhookSecret } from './webhook-secrets.ts'

const POLL_MS = 1000
/** How long a change of an endpoint, or of what its owner may read, takes to be heeded. */
const REFRESH_MS = 1000

export type Delivering = Omit<Sending, 'signal'> & {
  database: Database
  deliveries: Wakeup
  permissions: EventPermissions
  sealing: Sealing
  disableAfterHours: number
  breakerMs?: number
  log: Log
}

export function startWebhookDelivery(options: Delivering): AsyncDisposable {
  const { database, deliveries, log } = options
  return exclusively(
    database,
    'webhook delivery',
    async (session, signal) => {
      // What was sent and is not recorded is sent again, as after any crash.
      await session.query('set synchronous_commit to off')
      using follower = await deliveries.follow(session)
      const round = openRounds(session, options)
      try {
        while (!signal.aborted) {
          const done = await round.next()
          await follower.next(POLL_MS, signal, done)
        }
      } finally {
        await round.end()
      }
    },
    log
  )
}

/** Looks again and again at what is due, while the session holds the lock. */
function openRounds(session: Session, options: Delivering) {
  const { deliveries, permissions, sealing, disableAfterHours, breakerMs, log } = options
  // What was begun before a stop is waited for. Without the session nobody could write down how it went.
  const sending: Sending = { ...options, signal: session.lost }
  const lanes = new Map<string, DeliveryLane>()
  const closing = new Set<Promise<void>>()
  const secrets = new Map<string, { version: number; secrets: WebhookSecret[] }>()
  /** Whose secrets cannot be opened; each is told of once. */
  const unreadable = new Set<string>()
  let tried: Tried[] = []
  let refreshedAt = Number.NEGATIVE_INFINITY

  async function refresh(): Promise<void> {
    refreshedAt = performance.now()
    const endpoints = await readLiveEndpoints(session)
    await disable(
      endpoints.filter(({ reader }) => !reader).map(({ webhook_endpoint_id: id }) => ({ id, reason: 'owner-ended' as const }))
    )
    const live = new Map(endpoints.filter(({ reader }) => reader).map(endpoint => [endpoint.webhook_endpoint_id, endpoint]))
    const stale = [...live.values()].filter(({ webhook_endpoint_id: id, version }) => secrets.get(id)?.version !== version)
    const read = await readWebhookSecrets(
      session,
      sealing,
      stale.map(({ webhook_endpoint_id: id }) => id),
      cannotSign
    )
    for (const { webhook_endpoint_id: id, version } of stale) {
      const known = read.get(id)
      if (known) secrets.set(id, { version, secrets: known })
    }
    for (const id of [...lanes.keys()].filter(id => !live.has(id))) close(id)
    for (const [id, endpoint] of live) {
      const known = secrets.get(id)?.secrets
      if (!known) continue
      const lane = lanes.get(id)
      if (lane) lane.update(endpoint, known)
      else lanes.set(id, open(endpoint, known))
    }
  }

  /** Of this endpoint nothing is delivered, and of others all the same. */
  function cannotSign(endpoint: string, error: unknown): void {
    if (unreadable.has(endpoint)) return
    unreadable.add(endpoint)
    log.error({ unit: 'webhook', endpoint, error: String(error) }, 'no try was made')
  }

  function open(endpoint: DeliveryLane['endpoint'], known: readonly WebhookSecret[]): DeliveryLane {
    return openDeliveryLane({
      endpoint,
      secrets: known,
      ...(breakerMs === undefined ? {} : { breakerMs }),
      changed: () => deliveries.wake(),
      failed: error =>
        log.error({ unit: 'webhook', endpoint: endpoint.webhook_endpoint_id, error: String(error) }, 'no try was made'),
      async attempt(endpoint, secrets, due) {
        const done = await attemptDelivery(sending, endpoint, secrets, due)
        tried.push(done)
        return done.outcome
      }
    })
  }

  function close(id: string): void {
    const closed = lanes
      .get(id)!
      .close()
      .finally(() => closing.delete(closed))
    closing.add(closed)
    lanes.delete(id)
    secrets.delete(id)
  }

  async function disable(disabling: readonly Disabling[]): Promise<void> {
    if (disabling.length === 0) return
    for (const id of await disableEndpoints(session, disabling)) {
      const { reason } = disabling.find(each => each.id === id)!
      log.warn({ unit: 'webhook', endpoint: id, reason }, 'a webhook endpoint was disabled')
      if (lanes.has(id)) close(id)
    }
  }

  async function record(): Promise<number> {
    const done = tried
    if (done.length === 0) return 0
    tried = []
    await disable(await recordAttempts(session, done, disableAfterHours))
    for (const each of done) {
      lanes.get(each.due.webhook_endpoint_id)?.settle(each.due.webhook_delivery_id)
      tell(each)
    }
    return done.length
  }

  function tell({ due, outcome, durationMs, responseStatus }: Tried): void {
    webhookAttempts.observe({ outcome: outcome.status === 'delivered' ? 'delivered' : 'failed' }, durationMs / 1000)
    const line = {
      ...{ unit: 'webhook', endpoint: due.webhook_endpoint_id, delivery: due.webhook_delivery_id, event: due.message_id },
      ...{ type: due.event_type, attempt: due.attempts + 1, outcome: outcome.status, status: responseStatus, ms: durationMs }
    }
    if (outcome.status === 'delivered') log.debug(line, 'a webhook was delivered')
    else log.info({ ...line, error: outcome.error }, outcome.status === 'failed' ? 'a webhook was given up' : 'a webhook failed')
  }

  async function take(): Promise<number> {
    const due = await claimDue(session, [...lanes.values()])
    const mayHave = (each: (typeof due)[number]) => {
      const { reader } = lanes.get(each.webhook_endpoint_id)!.endpoint
      return mayBeTold(permissions, reader!, each.event_type)
    }
    const refused = due.filter(each => !mayHave(each))
    if (refused.length > 0) await cancelDeliveries(session, refused)
    for (const each of due) if (!refused.includes(each)) lanes.get(each.webhook_endpoint_id)!.add(each)
    return due.length
  }

  return {
    /** One round; gives back how much there was to do. */
    async next(): Promise<number> {
      if (performance.now() - refreshedAt >= REFRESH_MS) await refresh()
      return (await record()) + (await take())
    },
    /** Waits for what is under way and writes down how it went, unless the lock is lost. */
    async end(): Promise<void> {
      for (const id of [...lanes.keys()]) close(id)
      await Promise.all(closing)
      if (!session.lost.aborted) await record()
    }
  }
}
