/** Follows every event from the log of its service over the broker to the inbox of everybody who must react to it. */
import type { AuditDatabase } from './audit-database.ts'
import { consumerGroups, serviceNames } from './consumers.ts'
import type { Finding } from './findings.ts'
import type { Overheard } from './overhear.ts'

export type ConsumerCount = { consumer: string; due: number; applied: number }

export type EventCounts = {
  /** Committed with the change that they tell of. */
  committed: Record<string, number>
  /** Messages that the broker has delivered to a group of the replay's own, and how many of them again. */
  delivered: number
  deliveredAgain: number
  consumers: ConsumerCount[]
  deadLettersOpen: number
}

export async function auditEvents(
  database: AuditDatabase,
  heard: Pick<Overheard, 'messages' | 'ids' | 'since'>
): Promise<{ counts: EventCounts; findings: Finding[] }> {
  const counts: EventCounts = {
    committed: {},
    delivered: heard.messages,
    deliveredAgain: heard.messages - heard.ids.size,
    consumers: [],
    deadLettersOpen: 0
  }
  const findings: Finding[] = []
  const all: string[] = []
  for (const service of serviceNames()) {
    const [row] = await database.query<{ committed: number; unpublished: number; dead: number }>(
      `select count(*) as committed, count(*) filter (where heard.id is null and position > $2) as unpublished,
         (select count(*) from "${service}".dead_letters where status = 'open') as dead
       from "${service}".event_log e left join unnest($1::text[]) heard (id) on heard.id = e.event_id::text`,
      [[...heard.ids], heard.since[service] ?? 0]
    )
    counts.committed[service] = row!.committed
    counts.deadLettersOpen += row!.dead
    if (row!.unpublished > 0)
      findings.push({ what: `events of ${service} that the broker never got`, lost: row!.unpublished, twice: 0 })
    all.push(`select topic, type, event_id::text from "${service}".event_log`)
  }
  for (const { name, service, topics, types } of consumerGroups()) {
    const [row] = await database.query<{ due: number; lost: number; waiting: number }>(
      `select count(*) as due, count(*) filter (where i.event_id is null) as lost,
         (select count(*) from "${service}".parked_messages where consumer = $1) +
         (select count(*) from "${service}".dead_letters where consumer = $1 and status = 'open') as waiting
       from (${all.join(' union all ')}) e left join "${service}".inbox i on i.consumer = $1 and i.event_id = e.event_id
       where e.topic = any($2) and e.type = any($3)`,
      [name, topics, types]
    )
    const { due, lost, waiting } = row!
    counts.consumers.push({ consumer: name, due, applied: due - lost - waiting })
    if (lost > 0) findings.push({ what: `events that ${name} never got`, lost, twice: 0 })
  }
  return { counts, findings }
}
