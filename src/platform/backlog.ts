/** What waits: read from the database when somebody asks for metrics, so that it is true whichever process is asked. */
import type { Database, Row } from './database.ts'
import { gaugePerService } from './telemetry.ts'

type Backlog = Row & {
  outbox_pending: number
  outbox_oldest_seconds: number
  outlet_lag: number
  parked: number
  dead_letters: number
}

const meanings = {
  outbox_pending: 'Events committed and not yet in the event log',
  outbox_oldest_seconds: 'Age of the oldest event in the outbox',
  outlet_lag: 'Events in the log that the broker has not accepted yet',
  parked: 'Messages that wait for another try, and those behind them',
  dead_letters: 'Dead letters that nobody has replayed or discarded'
} as const satisfies Record<string, string>

const read = `select
  (select count(*) from outbox) as outbox_pending,
  coalesce((select extract(epoch from now() - uuid_extract_timestamp(event_id)) from outbox order by seq limit 1), 0)::float as outbox_oldest_seconds,
  (select head.position - coalesce((select min(position) from outlets), head.position) from event_log_head head) as outlet_lag,
  (select count(*) from parked_messages) as parked,
  (select count(*) from dead_letters where status = 'open') as dead_letters`

const watched = new Map<string, Database>()
let reading: Promise<Map<string, Backlog>> | undefined

for (const [name, help] of Object.entries(meanings)) {
  gaugePerService(`messaging_${name}`, help, async () =>
    [...(await readAll())].map(([service, backlog]) => [service, Number(backlog[name])])
  )
}

/** Shows the backlog of a service in /metrics until disposed. */
export function watchBacklog(service: string, database: Database): Disposable {
  watched.set(service, database)
  return { [Symbol.dispose]: () => watched.delete(service) }
}

/** One read for all gauges of one scrape. A service whose database is away has no figures, rather than wrong ones. */
function readAll(): Promise<Map<string, Backlog>> {
  reading ??= Promise.all(
    [...watched].map(async ([service, database]) => {
      const [backlog] = await database.query<Backlog>(read).catch(() => [])
      return [service, backlog] as const
    })
  )
    .then(entries => new Map(entries.filter((entry): entry is [string, Backlog] => entry[1] !== undefined)))
    .finally(() => {
      reading = undefined
    })
  return reading
}
