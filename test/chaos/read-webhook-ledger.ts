/** Makes the ledger of a world of webhooks, and waits until it has come to rest. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Happened, LoggedBody, Recorded, WebhookLedger } from './webhook-ledger.ts'
import { kinds } from './webhook-receivers.ts'
import type { WebhookWorld } from './webhook-world.ts'

const waiting = `select
  (select count(*) from outbox) + (select h.position - o.position from event_log_head h, outlets o where o.name = 'webhooks')
    + (select count(*) from webhook_deliveries where status = 'pending' and webhook_endpoint_id = any($1::uuid[])) as count`

/** Milliseconds until nothing waits any more for endpoints that are well; undefined when that never came. */
export async function cameToRest(world: WebhookWorld, withinMs: number): Promise<number | undefined> {
  const healthy = [...world.endpoints]
    .filter(([, name]) => kinds.some(kind => kind.name === name && kind.healthy))
    .map(([id]) => id)
  const started = performance.now()
  while (performance.now() - started < withinMs) {
    const [left] = await world.ask<{ count: number }>(waiting, [healthy])
    if (left!.count === 0) return Math.round(performance.now() - started)
    await delay(50)
  }
  return undefined
}

type LogRow = { body: string; event_id: string; type: string }
type DeliveryRow = { webhook_endpoint_id: string; message_id: string; status: string; attempts: number; log: Recorded['log'] }

/** Of a world that is at rest, and whose processes have ended. */
export async function readWebhookLedger(world: WebhookWorld): Promise<WebhookLedger> {
  const categories = await world.ask<{ category_id: string; version: number }>('select category_id, version from categories')
  const rows = await world.ask<LogRow>('select event_id, type, body from event_log order by position')
  const logged = rows.map(({ event_id: id, type, body }): LoggedBody => {
    const { categoryId: key, version: n } = JSON.parse(body) as { categoryId: string; version: number }
    return { id, type, body, key, n }
  })
  const deliveries = await world.ask<DeliveryRow>(
    `select d.*, (
       select coalesce(json_agg(json_build_object('attempt', a.attempt, 'status', a.response_status) order by a.attempt), '[]')
       from webhook_attempts a where a.webhook_delivery_id = d.webhook_delivery_id
     ) as log from webhook_deliveries d`
  )
  return {
    endpoints: kinds,
    committed: categories.flatMap(({ category_id: key, version }) =>
      Array.from({ length: version }, (_, index): Happened => ({ key, n: index + 1 }))
    ),
    ...world.written,
    logged,
    seen: world.receivers.seen,
    recorded: deliveries.map(({ webhook_endpoint_id: id, message_id, status, attempts, log }) => ({
      endpoint: world.endpoints.get(id)!,
      ...{ id: message_id, status, attempts, log }
    })),
    unrecordedMax: world.unrecordedMax,
    processes: world.complaints
  }
}
