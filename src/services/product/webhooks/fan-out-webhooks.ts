/**
 * The outlet that feeds webhooks: follows the event log with a cursor of its own, and writes down what of it goes where. Deliveries and
 * cursor are one commit, so each event is fanned out once.
 */

import { failpoint } from '#platform/failpoint.ts'
import { newId } from '#platform/id.ts'
import type { Log } from '#platform/log.ts'
import { toMessage } from '#platform/messaging/cloudevents.ts'
import { type LoggedEvent, readEventLog } from '#platform/messaging/event-log.ts'
import type { EventPermissions } from '#platform/messaging/event-permissions.ts'
import type { Wakeup } from '#platform/messaging/wakeup.ts'
import { bigints, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Database, Session, Transaction } from '#platform/postgres/database.ts'
import { exclusively } from '#platform/postgres/exclusive.ts'
import { type LiveEndpoint, readLiveEndpoints } from './live-endpoints.ts'
import { askedAnew } from './webhook-delivery.ts'
import { passes, wantsType } from './webhook-filter.ts'

const OUTLET = 'webhooks'
const BATCH = 500
const POLL_MS = 1000

export type FanOut = { source: string; permissions: EventPermissions }

export function startWebhookFanOut(
  options: FanOut & { database: Database; eventLog: Wakeup; deliveries: Wakeup; log: Log }
): AsyncDisposable {
  const { database, eventLog, deliveries, log } = options
  return exclusively(
    database,
    `outlet ${OUTLET}`,
    async (session, signal) => {
      using follower = await eventLog.follow(session)
      // What a crash of the server takes back, it takes back with the cursor.
      await session.query('set synchronous_commit to off')
      while (!signal.aborted) {
        const { read, wanted } = await fanOutBatch(session, options)
        await failpoint('webhooks.after-fan-out')
        if (wanted > 0) deliveries.wake()
        if (read < BATCH) await follower.next(POLL_MS, signal, read)
      }
    },
    log
  )
}

function fanOutBatch(session: Session, fanOut: FanOut): Promise<{ read: number; wanted: number }> {
  return session.transact(async tx => {
    // Under this lock nobody adds an endpoint that would have to have what is read here.
    const [cursor] = await tx.query<{ position: number; head: number }>(
      'select o.position, h.position as head from outlets o, event_log_head h where o.name = $1 for update of o',
      [OUTLET]
    )
    if (!cursor || cursor.position >= cursor.head) return { read: 0, wanted: 0 }
    const endpoints = await readLiveEndpoints(tx)
    if (endpoints.length === 0) {
      await tx.query('update outlets set position = h.position, updated_at = now() from event_log_head h where name = $1', [OUTLET])
      return { read: 0, wanted: 0 }
    }
    const events = await readEventLog(tx, cursor.position, BATCH)
    if (events.length === 0) return { read: 0, wanted: 0 }
    const wanted = matchesOf(events, endpoints, fanOut.permissions)
    await writeDeliveries(tx, wanted, fanOut.source, 'once')
    await tx.query('update outlets set position = $2, updated_at = now() where name = $1', [OUTLET, events.at(-1)!.position])
    return { read: events.length, wanted: wanted.length }
  })
}

export type Match = { event: LoggedEvent; endpointId: string }

/** What of these events goes where, in their order: what is asked for, passes the filter, and may be read by the owner now. */
export function matchesOf(
  events: readonly LoggedEvent[],
  endpoints: readonly LiveEndpoint[],
  permissions: EventPermissions
): Match[] {
  return events.flatMap(event => {
    const asking = endpoints.filter(
      endpoint =>
        endpoint.from_position < event.position &&
        wantsType(endpoint, event.type) &&
        endpoint.reader !== undefined &&
        permissions.mayRead(endpoint.reader, event.type)
    )
    const body = asking.some(({ filter }) => filter !== null) ? JSON.parse(event.body) : {}
    return asking.filter(({ filter }) => passes(filter, body)).map(({ webhook_endpoint_id: endpointId }) => ({ event, endpointId }))
  })
}

/** One that is there already is kept from being swept while a delivery of it is written. */
const insertMessages = `
  insert into webhook_messages (message_id, event_type, key, position, headers, body)
  select m.message_id, m.event_type, m.key, m.position, m.headers::jsonb, m.body
  from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])
    as m (message_id, event_type, key, position, headers, body)
  on conflict (message_id) do update set created_at = now()`

const insertDeliveries = (otherwise: string) => `
  insert into webhook_deliveries as d
    (webhook_delivery_id, webhook_endpoint_id, message_id, event_type, key, status, next_attempt_at)
  select w.webhook_delivery_id, w.webhook_endpoint_id, w.message_id, w.event_type, w.key, 'pending', now()
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) with ordinality
    as w (webhook_delivery_id, webhook_endpoint_id, message_id, event_type, key, place)
  order by w.place
  on conflict (webhook_endpoint_id, message_id) do ${otherwise}
  returning 1`

/** What becomes of deliveries that are there already: nothing; those that were not delivered begin anew; or whatever does not wait. */
const insertions = {
  once: insertDeliveries('nothing'),
  missed: insertDeliveries(`update set ${askedAnew} where d.status in ('failed', 'cancelled')`),
  all: insertDeliveries(`update set ${askedAnew} where d.status <> 'pending'`)
}

/** Writes down what goes where. Returns how many deliveries there are to make for it. */
export async function writeDeliveries(
  tx: Transaction,
  matches: readonly Match[],
  source: string,
  which: keyof typeof insertions
): Promise<number> {
  if (matches.length === 0) return 0
  tx.send(insertMessages, messageValues(matches, source))
  return (await tx.query(insertions[which], deliveryValues(matches))).length
}

function messageValues(matches: readonly Match[], source: string): Buffer[] {
  const events = [...new Set(matches.map(({ event }) => event))]
  return [
    uuids(events.map(event => event.event_id)),
    texts(events.map(event => event.type)),
    texts(events.map(event => event.key)),
    bigints(events.map(event => event.position)),
    texts(events.map(event => JSON.stringify(headersOf(event, source)))),
    texts(events.map(event => event.body))
  ]
}

function deliveryValues(matches: readonly Match[]): Buffer[] {
  return [
    uuids(matches.map(() => newId())),
    uuids(matches.map(({ endpointId }) => endpointId)),
    uuids(matches.map(({ event }) => event.event_id)),
    texts(matches.map(({ event }) => event.type)),
    texts(matches.map(({ event }) => event.key))
  ]
}

/** The CloudEvents attributes as the HTTP binding has them in binary mode: `ce-id`, `ce-type`. Where schemas are served is known at send. */
function headersOf(event: LoggedEvent, source: string): Record<string, string> {
  const attributes = Object.entries(toMessage(event, source).headers).filter(([name]) => name.startsWith('ce_'))
  return Object.fromEntries(attributes.map(([name, value]) => [name.replace('_', '-'), value]))
}
