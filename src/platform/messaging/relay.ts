/**
 * Moves events from the outbox into the event log, giving each a gapless position in commit order. One relay per service is
 * active; it takes rows by existence, ordered by `seq`. A cursor over the sequence would lose events that commit late, and an
 * xmin gate would reorder them and stall on any open transaction.
 */

import { failpoint } from '../failpoint.ts'
import type { Log } from '../log.ts'
import type { Database, Session } from '../postgres/database.ts'
import { exclusively } from '../postgres/exclusive.ts'
import { ensurePartitions, PARTITION_SIZE } from './event-log.ts'
import type { Wakeup } from './wakeup.ts'

const BATCH = 1000
const POLL_MS = 1000

/** One statement, so one transaction: a row is in the outbox or in the log, whenever the process dies. */
const move = `with taken as (
    delete from outbox where seq <= (select max(seq) from (select seq from outbox order by seq limit ${BATCH}) first) returning *
  ), head as (
    update event_log_head set position = position + (select count(*) from taken)
    where exists (select from taken) returning position
  ), moved as (
    insert into event_log (position, event_id, topic, key, type, version, subject, sequence, body, traceparent)
    select head.position - count(*) over () + row_number() over (order by seq),
      event_id, topic, key, type, version, subject, sequence, body, traceparent
    from taken, head
    returning position
  )
  select count(*) as moved, max(position) as head from moved`

export function startRelay(options: {
  database: Database
  outbox: Wakeup
  eventLog: Wakeup
  log: Log
  partitionSize?: number
}): AsyncDisposable {
  const { database, outbox, eventLog, log, partitionSize = PARTITION_SIZE } = options
  return exclusively(
    database,
    'relay',
    async (session, signal) => {
      using follower = await outbox.follow(session)
      let partitionsEnd = await ensurePartitions(session, partitionSize)
      while (!signal.aborted) {
        const { moved, head } = await moveBatch(session)
        if (moved > 0) {
          await failpoint('relay.after-move')
          eventLog.wake()
          if (head >= partitionsEnd - partitionSize) partitionsEnd = await ensurePartitions(session, partitionSize)
        }
        if (moved < BATCH) await follower.next(POLL_MS, signal, moved)
      }
    },
    log
  )
}

async function moveBatch(session: Session): Promise<{ moved: number; head: number }> {
  const [row] = await session.query<{ moved: number; head: number }>(move)
  return row!
}
