/** Waits until every event has been handled by everybody it concerns. */
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditDatabase } from './audit-database.ts'
import { consumerGroups, serviceNames } from './consumers.ts'

/** What still waits: events not yet logged, not yet published, not yet handled, and messages parked for another try. */
export type Backlog = { outbox: number; unpublished: number; unhandled: number; parked: number }

const POLL_MS = 100
/** Longer than the pauses between a consumer's first tries. */
const STANDSTILL_MS = 60_000

/** Resolves to the backlog when it is empty, or when nothing has moved for a minute. */
export async function settle(database: AuditDatabase): Promise<Backlog> {
  let before = ''
  let movedAt = Date.now()
  for (;;) {
    const backlog = await readBacklog(database)
    if (Object.values(backlog).every(count => count === 0)) return backlog
    const now = JSON.stringify(backlog)
    if (now !== before) movedAt = Date.now()
    if (Date.now() - movedAt > STANDSTILL_MS) return backlog
    before = now
    await delay(POLL_MS)
  }
}

async function readBacklog(database: AuditDatabase): Promise<Backlog> {
  const ofServices = serviceNames().map(
    name => `select (select count(*) from "${name}".outbox) as outbox, (select count(*) from "${name}".parked_messages) as parked,
      (select coalesce(sum(h.position - o.position), 0) from "${name}".outlets o, "${name}".event_log_head h) as unpublished`
  )
  const [row] = await database.query<Backlog>(
    `select sum(outbox) as outbox, sum(parked) as parked, sum(unpublished) as unpublished,
       (select coalesce(sum(t.head - coalesce(c.position, 0)), 0)
        from unnest($1::text[], $2::text[]) as g (consumer_group, topic) join broker.topics t using (topic)
          left join broker.cursors c using (consumer_group, topic)) as unhandled
     from (${ofServices.join(' union all ')}) s`,
    [subscribed.map(each => each.group), subscribed.map(each => each.topic)]
  )
  return row!
}

const subscribed = consumerGroups().flatMap(({ name, topics }) => topics.map(topic => ({ group: name, topic })))
