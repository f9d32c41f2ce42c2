/** Waits until every event has been handled by everybody it concerns. */
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditDatabase } from './audit-database.ts'
import { consumerGroups, serviceNames } from './consumers.ts'
import type { Overheard } from './overhear.ts'

/** What still waits: events not yet logged, not yet published, not yet handled, and messages parked for another try. */
export type Backlog = { outbox: number; unpublished: number; unhandled: number; parked: number }

/** Counting reads whole logs: done more often, it would hold up what it counts. */
const POLL_MS = 1_000
/** Longer than the pauses between a consumer's first tries. */
const STANDSTILL_MS = 60_000

/**
 * Resolves to the backlog when it is empty and the broker has delivered everything, duplicates too, or when nothing has moved for a
 * minute.
 */
export async function settle(
  database: AuditDatabase,
  heard: Pick<Overheard, 'messages'>,
  handled: () => Promise<number>
): Promise<Backlog> {
  let before = ''
  let movedAt = Date.now()
  for (;;) {
    const backlog = await readBacklog(database)
    const now = JSON.stringify([backlog, heard.messages, await handled()])
    if (now !== before) movedAt = Date.now()
    const empty = Object.values(backlog).every(count => count === 0)
    if (Date.now() - movedAt > (empty ? QUIET_MS : STANDSTILL_MS)) return backlog
    before = now
    await delay(POLL_MS)
  }
}

/** A copy that was held back comes within this time: faults of delivery are shorter. */
const QUIET_MS = 1_900

async function readBacklog(database: AuditDatabase): Promise<Backlog> {
  const ofServices = serviceNames().map(
    name => `select (select count(*) from "${name}".outbox) as outbox, (select count(*) from "${name}".parked_messages) as parked,
      (select coalesce(sum(h.position - o.position), 0) from "${name}".outlets o, "${name}".event_log_head h) as unpublished`
  )
  const [row] = await database.query<Backlog>(
    `select sum(outbox) as outbox, sum(parked) as parked, sum(unpublished) as unpublished, 0 as unhandled
     from (${ofServices.join(' union all ')}) s`
  )
  return { ...row!, unhandled: await countUnhandled(database) }
}

async function countUnhandled(database: AuditDatabase): Promise<number> {
  const all = serviceNames().map(name => `select topic, type, event_id::text from "${name}".event_log`)
  let total = 0
  for (const { name, service, topics, types } of consumerGroups()) {
    const [row] = await database.query<{ unhandled: number }>(
      `select count(*) as unhandled from (${all.join(' union all ')}) e
       where e.topic = any($2) and e.type = any($3)
         and not exists (select from "${service}".inbox i where i.consumer = $1 and i.event_id = e.event_id)`,
      [name, topics, types]
    )
    total += row!.unhandled
  }
  return total
}
