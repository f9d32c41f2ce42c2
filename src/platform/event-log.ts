/** The event log: append-only, partitioned by position, kept as long as somebody may still read it. */
import type { Queryable, Transaction } from './database.ts'

export const PARTITION_SIZE = 500_000

export type LoggedEvent = {
  position: number
  event_id: string
  topic: string
  key: string
  type: string
  version: number
  subject: string
  sequence: number
  body: string
  traceparent: string | null
  logged_at: string
}

/** Makes the partitions that the next positions fall into. */
export async function ensurePartitions(session: Queryable): Promise<void> {
  const [head] = await session.query<{ position: number }>('select position from event_log_head')
  const first = Math.floor(head!.position / PARTITION_SIZE)
  for (const number of [first, first + 1]) {
    const from = number * PARTITION_SIZE
    await session.query(
      `create table if not exists event_log_${number} partition of event_log for values from (${from}) to (${from + PARTITION_SIZE})`
    )
  }
}

/** Events after a position, in order. */
export function readEventLog(database: Queryable, after: number, limit: number): Promise<LoggedEvent[]> {
  return database.query<LoggedEvent>('select * from event_log where position > $1 order by position limit $2', [after, limit])
}

/** Drops whole partitions that every outlet has passed and whose events are all older than the retention. */
export async function dropOldPartitions(tx: Transaction, retentionDays: number): Promise<string[]> {
  const old = await tx.query<{ name: string }>(
    `with partitions as (
       select c.relname as name, substring(c.relname from '[0-9]+$')::bigint as number
       from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'event_log'::regclass
     )
     select name from partitions
     where (number + 1) * $1 <= (select coalesce(min(position), 0) + 1 from outlets)
       and (number + 1) * $1 <= (select position from event_log_head)
       and not exists (
         select from event_log where position = (number + 1) * $1 - 1 and logged_at > now() - make_interval(days => $2)
       )`,
    [PARTITION_SIZE, retentionDays]
  )
  for (const { name } of old) await tx.query(`drop table ${name}`)
  return old.map(({ name }) => name)
}
