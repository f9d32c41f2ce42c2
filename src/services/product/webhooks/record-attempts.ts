/** Writes down how tries went: many in one statement, by the session that holds the lock, so that a deposed process writes nothing. */
import { failpoint } from '#platform/failpoint.ts'
import { integers, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Session } from '#platform/postgres/database.ts'
import type { Tried } from './attempt-delivery.ts'

/**
 * A delivery that was deleted meanwhile has no record, and neither has a try beside which there was another: while an endpoint is disabled and
 * enabled again, what was under way may be begun once more, and what is delivered stays delivered.
 */
const record = `with tried as (
    select * from unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::integer[])
      as t (webhook_delivery_id, attempt, at, duration_ms, response_status, error, response_body, status, in_ms)
  ), updated as (
    update webhook_deliveries d set status = t.status, attempts = t.attempt, last_response_status = nullif(t.response_status, 0),
      last_error = t.error, next_attempt_at = case when t.status = 'pending' then now() + make_interval(secs => t.in_ms / 1000.0) end,
      completed_at = case when t.status <> 'pending' then now() end
    from tried t where d.webhook_delivery_id = t.webhook_delivery_id and d.attempts < t.attempt returning d.webhook_delivery_id
  )
  insert into webhook_attempts (webhook_delivery_id, attempt, at, duration_ms, response_status, error, response_body)
  select t.webhook_delivery_id, t.attempt, t.at::timestamptz, t.duration_ms, nullif(t.response_status, 0), t.error, t.response_body
  from tried t join updated using (webhook_delivery_id)
  on conflict do nothing`

/** By the last try of each: since when it fails, and whether it has failed for too long or wants no more. */
const judge = `with told as (
    select * from unnest($1::uuid[], $2::boolean[], $3::boolean[]) as t (webhook_endpoint_id, delivered, gone)
  ), failing as (
    update webhook_endpoints e set failing_since = case when t.delivered then null else coalesce(e.failing_since, now()) end
    from told t where e.webhook_endpoint_id = t.webhook_endpoint_id and (e.failing_since is null) <> t.delivered
    returning e.webhook_endpoint_id
  )
  select e.webhook_endpoint_id as id, case when t.gone then 'gone' else 'failing' end as reason
  from webhook_endpoints e join told t using (webhook_endpoint_id)
  where e.status = 'enabled' and not t.delivered and (t.gone or e.failing_since < now() - make_interval(hours => $4))`

export type Disabling = { id: string; reason: 'gone' | 'failing' | 'owner-ended' }

/** Returns which endpoints are to be disabled for it. */
export async function recordAttempts(session: Session, tried: readonly Tried[], disableAfterHours: number): Promise<Disabling[]> {
  await failpoint('webhooks.before-record')
  await session.query(record, [
    uuids(tried.map(({ due }) => due.webhook_delivery_id)),
    integers(tried.map(({ due }) => due.attempts + 1)),
    texts(tried.map(({ at }) => at.toISOString())),
    integers(tried.map(({ durationMs }) => durationMs)),
    integers(tried.map(({ responseStatus }) => responseStatus ?? 0)),
    texts(tried.map(({ outcome }) => outcome.error)),
    texts(tried.map(({ responseBody }) => responseBody)),
    texts(tried.map(({ outcome }) => outcome.status)),
    integers(tried.map(({ outcome }) => outcome.inMs))
  ])
  const last = [...new Map(tried.map(each => [each.due.webhook_endpoint_id, each])).values()]
  return session.query<Disabling>(judge, [
    uuids(last.map(({ due }) => due.webhook_endpoint_id)),
    last.map(({ outcome }) => outcome.status === 'delivered'),
    last.map(({ due }) => tried.some(each => each.due.webhook_endpoint_id === due.webhook_endpoint_id && each.outcome.isGone)),
    disableAfterHours
  ])
}

/** Ends what nobody is to be sent any more. What waits stays, for when somebody enables it. Says which were enabled until now. */
export async function disableEndpoints(session: Session, disabling: readonly Disabling[]): Promise<string[]> {
  const rows = await session.query<{ id: string }>(
    `update webhook_endpoints e set status = 'disabled', disabled_reason = d.reason, disabled_at = now(), version = version + 1, updated_at = now()
     from unnest($1::uuid[], $2::text[]) as d (id, reason)
     where e.webhook_endpoint_id = d.id and e.status = 'enabled' returning e.webhook_endpoint_id as id`,
    [uuids(disabling.map(({ id }) => id)), texts(disabling.map(({ reason }) => reason))]
  )
  return rows.map(({ id }) => id)
}
