/**
 * What waits and whether somebody is at it: read from the database when somebody asks for metrics, so that it is true whichever process is
 * asked. One statement for all figures of a service, each count ending at a hundred thousand: asking costs no more on a bad day.
 */
import type { Database, Queryable, Row } from '../postgres/database.ts'
import { singleFlight } from '../single-flight.ts'
import { gaugeRead, type Reading } from '../telemetry.ts'

const COUNT_MAX = 100_000

const gauges = {
  outbox_pending: { help: 'Events committed and not yet in the event log', labels: [] },
  outbox_oldest_seconds: { help: 'Age of the oldest event in the outbox', labels: [] },
  relay_active: { help: '1 while a process holds the relay, which moves events from the outbox into the log', labels: [] },
  outlet_active: { help: '1 while a process holds the outlet, which hands on what the log has', labels: ['outlet'] },
  outlet_lag: { help: 'Events in the log that the outlet has not passed yet', labels: ['outlet'] },
  outlet_lag_seconds: { help: 'Age of the oldest event in the log that the outlet has not passed yet', labels: ['outlet'] },
  quarantined_events: { help: 'Events that the receiver of the outlet refused for good', labels: ['outlet'] },
  parked: {
    help: 'Messages that wait: for another try (failed), for the key of a signature (awaits-key), behind another of their key (behind)',
    labels: ['consumer', 'reason']
  },
  parked_oldest_seconds: { help: 'How long the oldest message of the consumer has waited', labels: ['consumer'] },
  dead_letters: { help: 'Dead letters that nobody has replayed or discarded', labels: ['consumer'] },
  dead_letters_oldest_seconds: { help: 'Age of the oldest of them', labels: ['consumer'] }
} as const satisfies Record<string, { help: string; labels: readonly Label[] }>

type Label = 'outlet' | 'consumer' | 'reason'
type Figure = Row & { name: keyof typeof gauges; outlet: string; consumer: string; reason: string; value: number }

/** A session lock as pg_locks shows it: see exclusive.ts, which takes it. */
const held = (name: string) => `exists (
    select from pg_locks, hashtextextended(current_schema() || ${name}, 0) as lock
    where locktype = 'advisory' and granted and objsubid = 1 and database = (select oid from pg_database where datname = current_database())
      and classid::bigint = (lock >> 32) & 4294967295 and objid::bigint = lock & 4294967295
  )::int`
const age = (time: string) => `extract(epoch from now() - ${time})`

const read = `
  with waiting as (select consumer, attempts, parked_at, awaits_key_since from parked_messages order by position limit ${COUNT_MAX}),
  letters as (select consumer, received_at from dead_letters where status = 'open' order by dead_letter_id limit ${COUNT_MAX}),
  outlet as (select o.name, o.position, h.position as head from outlets o, event_log_head h)
  select name, outlet, consumer, reason, value::float8 from (
    select 'outbox_pending' as name, '' as outlet, '' as consumer, '' as reason,
      (select count(*) from (select from outbox limit ${COUNT_MAX}) o)::numeric as value
    union all select 'outbox_oldest_seconds', '', '', '',
      coalesce((select ${age('uuid_extract_timestamp(event_id)')} from outbox order by seq limit 1), 0)
    union all select 'relay_active', '', '', '', ${held(`'.relay'`)}
    union all select 'outlet_active', name, '', '', ${held(`'.outlet ' || name`)} from outlet
    union all select 'outlet_lag', name, '', '', greatest(head - position, 0) from outlet
    union all select 'outlet_lag_seconds', name, '', '', coalesce(
      (select ${age('logged_at')} from event_log e where e.position > outlet.position order by e.position limit 1), 0) from outlet
    union all select 'quarantined_events', name, '', '',
      (select count(*) from (select from quarantined_events q where q.outlet = outlet.name limit ${COUNT_MAX}) q) from outlet
    union all select 'parked', '', consumer, case when awaits_key_since is not null then 'awaits-key' when attempts = 0 then 'behind' else 'failed' end, count(*)
      from waiting group by 3, 4
    union all select 'parked_oldest_seconds', '', consumer, '', max(${age('parked_at')}) from waiting group by consumer
    union all select 'dead_letters', '', consumer, '', count(*) from letters group by consumer
    union all select 'dead_letters_oldest_seconds', '', consumer, '', max(${age('received_at')}) from letters group by consumer
  ) figures`

type Watched = { database: Database; consumers: readonly string[] }
const watched = new Map<string, Watched>()

for (const [name, { help, labels }] of Object.entries(gauges)) {
  gaugeRead(`messaging_${name}`, help, ['service', ...labels], async () =>
    (await readAll())
      .filter(figure => figure.name === name)
      .map((figure): Reading<Label | 'service'> => {
        const values = labels.map((label: Label) => [label, figure[label]])
        return { labels: { service: figure.service, ...Object.fromEntries(values) }, value: figure.value }
      })
  )
}

/** Shows the backlog of a service in /metrics until disposed; consumers by name, so that those of which nothing waits say 0. */
export function watchBacklog(service: string, database: Database, consumers: readonly string[] = []): Disposable {
  watched.set(service, { database, consumers })
  return { [Symbol.dispose]: () => watched.delete(service) }
}

/** One read for all gauges of one scrape. A service whose database is away has no figures, rather than wrong ones. */
const readAll = singleFlight(async () => {
  const all = await Promise.all(
    [...watched].map(async ([service, { database, consumers }]) => {
      const figures = await database.query<Figure>(read).catch(() => [])
      return [...figures, ...(figures.length > 0 ? nothingWaits(figures, consumers) : [])].map(each => ({ ...each, service }))
    })
  )
  return all.flat()
})

/** How far each outlet of a service is behind the end of the event log, and whether a process holds it. */
export async function readOutlets(
  database: Queryable
): Promise<{ outlet: string; active: boolean; lag: number; lagSeconds: number }[]> {
  const figures = await database.query<Figure>(read)
  const ofOutlets = Map.groupBy(
    figures.filter(({ outlet }) => outlet !== ''),
    ({ outlet }) => outlet
  )
  return [...ofOutlets].map(([outlet, own]) => {
    const of = (name: Figure['name']) => own.find(figure => figure.name === name)?.value ?? 0
    return { outlet, active: of('outlet_active') === 1, lag: of('outlet_lag'), lagSeconds: of('outlet_lag_seconds') }
  })
}

/** The figures that a consumer would have if anything waited: an alert can tell 0 from nobody having looked. */
function nothingWaits(figures: readonly Figure[], consumers: readonly string[]): Figure[] {
  const known = new Set(figures.map(({ name, consumer }) => `${name} ${consumer}`))
  const names = ['parked', 'parked_oldest_seconds', 'dead_letters', 'dead_letters_oldest_seconds'] as const
  return consumers.flatMap(consumer =>
    names
      .filter(name => !known.has(`${name} ${consumer}`))
      .map(name => ({ name, outlet: '', consumer, reason: name === 'parked' ? 'failed' : '', value: 0 }))
  )
}
