/** What is due now, of each endpoint as much as it has room for: none stands in the way of another. */
import { integers, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Session } from '#platform/postgres/database.ts'
import type { DeliveryLane, Due } from './delivery-lane.ts'

/** In order means: nothing of the same key that came before it waits still. */
const claim = `
  select d.webhook_delivery_id, d.webhook_endpoint_id, d.message_id, d.event_type, d.attempts, d.attempts_before, m.headers, m.body
  from unnest($1::uuid[], $2::integer[], $3::text[]) as lane (webhook_endpoint_id, room, ordering)
  cross join lateral (
    select * from webhook_deliveries d
    where d.webhook_endpoint_id = lane.webhook_endpoint_id and d.status = 'pending' and d.next_attempt_at <= now()
      and d.webhook_delivery_id <> all ($4::uuid[])
      and (lane.ordering = 'none' or not exists (
        select from webhook_deliveries before
        where before.webhook_endpoint_id = d.webhook_endpoint_id and before.key = d.key and before.status = 'pending'
          and before.place < d.place
      ))
    order by d.next_attempt_at, d.place limit lane.room
  ) d
  join webhook_messages m using (message_id)
  order by d.next_attempt_at, d.place`

/** Reads what is due and not held by any of the lanes. What is read stays pending until its try is recorded. */
export async function claimDue(session: Session, lanes: readonly DeliveryLane[]): Promise<Due[]> {
  const now = performance.now()
  const roomy = lanes.map(lane => ({ lane, room: lane.room(now) })).filter(({ room }) => room > 0)
  if (roomy.length === 0) return []
  return session.query<Due>(claim, [
    uuids(roomy.map(({ lane }) => lane.endpoint.webhook_endpoint_id)),
    integers(roomy.map(({ room }) => room)),
    texts(roomy.map(({ lane }) => lane.endpoint.ordering)),
    uuids(roomy.flatMap(({ lane }) => [...lane.held]))
  ])
}

/** Ends what its owner may not read any more. */
export async function cancelDeliveries(session: Session, due: readonly Due[]): Promise<void> {
  await session.query(
    `update webhook_deliveries set status = 'cancelled', next_attempt_at = null, completed_at = now(), last_error = 'event-type-not-permitted'
     where webhook_delivery_id = any($1::uuid[])`,
    [uuids(due.map(({ webhook_delivery_id: id }) => id))]
  )
}
