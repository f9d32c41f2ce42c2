/**
 * One endpoint as it is delivered to: so many at once and so many in a second as it asks for, not at all while its breaker is open or it has
 * asked for patience. What waits here is this endpoint's own: however slow it is, no other waits for it.
 */
import { type Guard, openGuard, Refused } from '#platform/resilience/resilience.ts'
import type { Outcome } from './delivery-outcome.ts'
import type { LiveEndpoint } from './live-endpoints.ts'
import type { WebhookSecret } from './webhook-secrets.ts'

export type Due = {
  webhook_delivery_id: string
  webhook_endpoint_id: string
  message_id: string
  event_type: string
  attempts: number
  attempts_before: number
  headers: Record<string, string>
  body: string
}

/** Makes a try; rejects when none was made, or it was broken off. */
export type Attempt = (endpoint: LiveEndpoint, secrets: readonly WebhookSecret[], due: Due) => Promise<Outcome>

const BREAKER = { failures: 5, withinMs: 10_000, halfOpenAfterMs: 30_000 }
const IN_FLIGHT_MOST = 50
/** So many times what is under way is held here, so that the next is at hand. */
const AHEAD = 10
/** Who rests for longer is not waited for here. */
const LONG_MS = 1000
/** The breaker has a clock of its own. */
const MARGIN_MS = 100

export interface DeliveryLane {
  readonly endpoint: LiveEndpoint
  /** Everything that is here: about to be tried, under way, or tried and not recorded yet. */
  readonly held: ReadonlySet<string>
  /** How many more it takes now. */
  room(now: number): number
  add(due: Due): void
  /** How it went is recorded: it may come again. */
  settle(deliveryId: string): void
  update(endpoint: LiveEndpoint, secrets: readonly WebhookSecret[]): void
  /** What is not under way is let go; resolves when nothing is under way any more. */
  close(): Promise<void>
}

export function openDeliveryLane(options: {
  endpoint: LiveEndpoint
  secrets: readonly WebhookSecret[]
  attempt: Attempt
  /** A try has ended: there is something to record, or room. */
  changed(): void
  /** Something of ours failed, so that no try was made. */
  failed(error: unknown): void
  breakerMs?: number
}): DeliveryLane {
  const { attempt, changed, failed, breakerMs = BREAKER.halfOpenAfterMs } = options
  let { endpoint, secrets } = options
  const waiting: Due[] = []
  const held = new Set<string>()
  const underWay = new Set<Promise<void>>()
  let isClosed = false
  let restsUntil = 0
  let nextAt = 0
  let timer: NodeJS.Timeout | undefined
  const guard: Guard = openGuard({ ...BREAKER, halfOpenAfterMs: breakerMs, concurrency: IN_FLIGHT_MOST, queue: 0 }, state => {
    if (state === 'open') rest(breakerMs + MARGIN_MS)
  })

  function rest(ms: number): void {
    restsUntil = Math.max(restsUntil, performance.now() + ms)
    if (ms >= LONG_MS || guard.breaker !== 'closed') letGo()
  }

  /** It stays pending, and is taken up again when there is room. */
  function letGo(): void {
    for (const { webhook_delivery_id: id } of waiting.splice(0)) held.delete(id)
  }

  const mostAtOnce = () => (guard.breaker === 'closed' ? endpoint.in_flight_max : 1)

  function pump(): void {
    clearTimeout(timer)
    while (!isClosed && waiting.length > 0 && underWay.size < mostAtOnce()) {
      const waitMs = Math.max(restsUntil, nextAt) - performance.now()
      if (waitMs > 0) {
        timer = setTimeout(pump, waitMs)
        return
      }
      const { requests_per_second: rate } = endpoint
      if (rate !== null) nextAt = Math.max(nextAt, performance.now()) + 1000 / rate
      begin(waiting.shift()!)
    }
  }

  function begin(due: Due): void {
    const ended = guard
      .run(() => attempt(endpoint, secrets, due), { failed: outcome => outcome.status !== 'delivered', tellsNothing: () => true })
      .then(
        ({ restMs }) => rest(restMs),
        error => {
          held.delete(due.webhook_delivery_id)
          if (isClosed) return
          rest(LONG_MS)
          if (!(error instanceof Refused)) failed(error)
        }
      )
      .finally(() => {
        underWay.delete(ended)
        pump()
        changed()
      })
    underWay.add(ended)
  }

  return {
    get endpoint() {
      return endpoint
    },
    held,
    room(now) {
      if (isClosed || now < restsUntil) return 0
      const most = mostAtOnce()
      const full = guard.breaker === 'closed' ? most * AHEAD : most
      // Half of it at least, or nothing: each look costs a query.
      return held.size <= full / 2 ? full - held.size : 0
    },
    add(due) {
      held.add(due.webhook_delivery_id)
      waiting.push(due)
      pump()
    },
    settle: deliveryId => void held.delete(deliveryId),
    update(newer, known) {
      if (newer.url !== endpoint.url) restsUntil = 0
      endpoint = newer
      secrets = known
      pump()
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      letGo()
      await Promise.all(underWay)
    }
  }
}
