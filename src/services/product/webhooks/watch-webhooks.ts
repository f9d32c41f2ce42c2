/** How webhooks are doing: read when somebody asks for metrics, and true whichever process of the service is asked. */
import type { Database, Row } from '#platform/postgres/database.ts'
import { singleFlight } from '#platform/single-flight.ts'
import { gaugeRead } from '#platform/telemetry.ts'

const COUNT_MAX = 100_000

/** Behind a try that failed, what comes in order waits as it should: of such endpoints nothing is late. */
const read = `
  select 'endpoints' as name, state, coalesce(count, 0)::float8 as value from unnest('{enabled,failing,disabled}'::text[]) as state left join (
    select case when status = 'disabled' then status when failing_since is null then 'enabled' else 'failing' end as state, count(*)
    from webhook_endpoints group by 1
  ) as endpoints using (state)
  union all select 'deliveries_pending', '', count(*) from (
    select from webhook_deliveries where status = 'pending' limit ${COUNT_MAX}
  ) as pending
  union all select 'deliveries_late_seconds', '', greatest(0, coalesce(max(extract(epoch from now() - first.next_attempt_at)), 0))
  from webhook_endpoints e cross join lateral (
    select next_attempt_at from webhook_deliveries d
    where d.webhook_endpoint_id = e.webhook_endpoint_id and d.status = 'pending' order by next_attempt_at limit 1
  ) as first
  where e.status = 'enabled' and e.failing_since is null and e.ordering = 'none'`

type Figure = Row & { name: 'endpoints' | 'deliveries_pending' | 'deliveries_late_seconds'; state: string; value: number }

const watched = new Set<Database>()

const figures = {
  endpoints: 'Endpoints of webhooks by state: enabled, failing (nothing was delivered since its last failure), disabled',
  deliveries_pending: `Deliveries of webhooks that wait, for their first try or a further one; counted to ${COUNT_MAX}`,
  deliveries_late_seconds: 'How long the delivery that is due longest waits, of endpoints that do not fail'
} as const satisfies Record<Figure['name'], string>

for (const [name, help] of Object.entries(figures)) {
  gaugeRead(`webhook_${name}`, help, name === 'endpoints' ? ['state'] : [], async () =>
    (await readAll())
      .filter(figure => figure.name === name)
      .map(({ state, value }) => ({ labels: (name === 'endpoints' ? { state } : {}) as Record<'state', string>, value }))
  )
}

/** One read for all figures of one scrape. */
const readAll = singleFlight(async () => {
  const all = await Promise.all([...watched].map(database => database.query<Figure>(read).catch(() => [])))
  return all.flat()
})

/** Shows it in /metrics until disposed. */
export function watchWebhooks(database: Database): Disposable {
  watched.add(database)
  return { [Symbol.dispose]: () => void watched.delete(database) }
}
