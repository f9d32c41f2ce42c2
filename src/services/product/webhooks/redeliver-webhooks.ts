import { EVERY_TYPE } from '#contracts/define.ts'
import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { Problem } from '#contracts/problems.ts'
import type { Input, Output } from '#platform/http/handlers.ts'
import { SCAN_MAX } from '#platform/messaging/event-feed.ts'
import type { LoggedEvent } from '#platform/messaging/event-log.ts'
import { uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type Match, matchesOf, writeDeliveries } from './fan-out-webhooks.ts'
import { readLiveEndpoints } from './live-endpoints.ts'
import { positionBefore } from './position-before.ts'
import { changes, readWebhookEndpoint } from './webhook-endpoint.ts'
import { termsOf } from './webhook-terms.ts'

type Operation = typeof webhookOperations.redeliverWebhooks

/** What is read at once; a call that finds more goes on with the next. */
const FOUND_MAX = 2000

/** Has the events of a time delivered that an endpoint missed, a stretch of the log at each call; or all of them. */
export async function redeliverWebhooks(
  tx: Transaction,
  { params: { webhookEndpointId: id }, body, actor }: Input<Operation>
): Promise<Output<Operation>> {
  const { from, to, delivered = false, after = 0, dryRun = false } = body
  await readWebhookEndpoint(tx, id, changes(actor))
  const [endpoint] = await readLiveEndpoints(tx, id)
  if (!endpoint) throw new Problem('illegal-transition', 'The endpoint is disabled: enable it first')
  const start = Math.max(after, await positionBefore(tx, new Date(from)))
  const end = await positionBefore(tx, to === undefined ? null : new Date(to))
  const until = Math.min(end, start + SCAN_MAX)
  const events = await tx.query<LoggedEvent>(
    `select * from event_log where position > $1 and position <= $2 and ($4::text[] is null or type = any ($4))
     order by position limit $3`,
    [start, until, FOUND_MAX, endpoint.event_types.includes(EVERY_TYPE) ? null : endpoint.event_types]
  )
  const position = events.length === FOUND_MAX ? events.at(-1)!.position : Math.max(start, until)
  // Whoever asks for it may have what was published before the endpoint was there.
  const matches = matchesOf(events, [{ ...endpoint, from_position: 0 }], termsOf(tx.origin.config!).permissions)
  const redelivered = dryRun
    ? await countAgain(tx, matches, delivered)
    : await writeDeliveries(tx, matches, tx.origin.source, delivered ? 'all' : 'missed')
  return { redelivered, dryRun, next: position < end ? position : null }
}

async function countAgain(tx: Transaction, matches: readonly Match[], delivered: boolean): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    `select count(*) from unnest($1::uuid[], $2::uuid[]) as m (message_id, webhook_endpoint_id) where not exists (
       select from webhook_deliveries d
       where d.webhook_endpoint_id = m.webhook_endpoint_id and d.message_id = m.message_id
         and (d.status = 'pending' or (d.status = 'delivered' and not $3))
     )`,
    [uuids(matches.map(({ event }) => event.event_id)), uuids(matches.map(({ endpointId }) => endpointId)), delivered]
  )
  return row!.count
}
