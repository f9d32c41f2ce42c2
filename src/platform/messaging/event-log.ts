/** The event log: append-only, partitioned by position, kept as long as somebody may still read it. */
import type { Queryable, Transacting, Transaction } from '../postgres/database.ts'

/** Positions per partition. Partitions are named and bounded by it, so it never changes for a log that exists. */
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

/** Makes the partition that the next positions fall into and the one after it. Returns the position from which on there is none. */
export async function ensurePartitions(session: Queryable & Transacting, size = PARTITION_SIZE): Promise<number> {
  const [head] = await session.query<{ position: number }>('select position from event_log_head')
  const first = Math.floor(head!.position / size)
  for (const number of [first, first + 1]) {
    const name = `event_log_${number}`
    const [found] = await session.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [name])
    if (!found!.exists) await session.transact(tx => addPartition(tx, name, number * size, size))
  }
  return (first + 2) * size
}

/** Attached rather than created as a partition: that would wait for whoever reads the log, such as a backup, and block everybody. */
async function addPartition(tx: Transaction, name: string, from: number, size: number): Promise<void> {
  await tx.query(`create table ${name} (like event_log including all)`)
  await tx.query(`alter table event_log attach partition ${name} for values from (${from}) to (${from + size})`)
}

/** Events after a position, in order. */
export function readEventLog(database: Queryable, after: number, limit: number): Promise<LoggedEvent[]> {
  return database.query<LoggedEvent>('select * from event_log where position > $1 order by position limit $2', [after, limit])
}

/**
 * Drops whole partitions that every outlet has passed and whose events are all older than the retention. Throws when somebody reads the
 * log for long, rather than have everybody wait behind us.
 */
export async function dropOldPartitions(tx: Transaction, retentionDays: number, size = PARTITION_SIZE): Promise<string[]> {
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
    [size, retentionDays]
  )
  if (old.length > 0) tx.send(`set local lock_timeout = '200ms'`)
  for (const { name } of old) await tx.query(`drop table ${name}`)
  return old.map(({ name }) => name)
}
