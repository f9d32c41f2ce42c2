/**
 * What the processes of a service see of what is outside of it, put together. Roles run apart from each other, so each process writes its
 * view every other second; a view that is older than ten is of a process that has gone, and counts for nothing.
 */
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { Integration, IntegrationState } from '#contracts/resources/integration.ts'
import { readOutlets } from '../messaging/backlog.ts'
import type { Database, Queryable, Row } from '../postgres/database.ts'
import { lookAt, type View, viewsOf } from './integrations.ts'

const EVERY_MS = 2000
const GONE_AFTER = `interval '10 seconds'`

/** Looks at the integrations of a service and writes what this process sees, until disposed. `parts` is asked each time. */
export function startIntegrationViews(options: {
  service: string
  database: Database
  parts: () => readonly string[]
  /** Whose view it is; without it that of this process. */
  process?: string
}): AsyncDisposable {
  const { service, database, parts, process: self = `${hostname()}:${process.pid}` } = options
  const stopping = new AbortController()

  async function write(): Promise<void> {
    await database
      .query(
        `with gone as (delete from integration_views where seen_at < now() - interval '1 minute')
         insert into integration_views (process, parts, views, seen_at) values ($1, $2, $3, now())
         on conflict (process) do update set parts = excluded.parts, views = excluded.views, seen_at = excluded.seen_at`,
        [self, [...parts()].sort(), JSON.stringify(viewsOf(service))]
      )
      // A database that is away is told of by everything else.
      .catch(() => {})
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await write()
      await delay(EVERY_MS, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
      // What takes long to look at is written with a later view.
      void lookAt(service)
    }
  }

  const running = run()
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running
      await database.query('delete from integration_views where process = $1', [self]).catch(() => {})
    }
  }
}

type ViewRow = Row & { process: string; parts: string[]; views: View[] }

/** Every integration of the service whose database this is, by name. */
export async function readIntegrations(database: Queryable): Promise<Integration[]> {
  const rows = await database.query<ViewRow>(
    `select process, parts, views from integration_views where seen_at > now() - ${GONE_AFTER} order by process`
  )
  const seen = rows.flatMap(row => row.views.map(view => ({ row, view })))
  const integrations = [...Map.groupBy(seen, ({ view }) => view.name).values()].map(together)
  const outlets = (await readOutlets(database)).map(ofOutlet)
  return [...integrations, ...outlets].sort((a, b) => (a.name < b.name ? -1 : 1))
}

type Seen = { row: ViewRow; view: View }

function together(seen: readonly Seen[]): Integration {
  const views = seen.map(({ view }) => view)
  const { name, kind } = views[0]!
  const failed = views.filter(view => view.lastErrorAt).toSorted((a, b) => (a.lastErrorAt! < b.lastErrorAt! ? 1 : -1))[0]
  const breakers = views.map(({ breaker }) => breaker)
  const lags = views.map(({ lag }) => lag).filter(lag => lag !== null)
  return {
    name,
    kind,
    state: stateOfAll(views.map(({ state }) => state)),
    breaker: (['open', 'half-open', 'closed'] as const).find(state => breakers.includes(state)) ?? null,
    lastSuccessAt:
      views
        .map(view => view.lastSuccessAt)
        .toSorted()
        .findLast(at => at !== null) ?? null,
    lastErrorAt: failed?.lastErrorAt ?? null,
    lastError: failed?.lastError ?? null,
    lag: lags.length > 0 ? Math.max(...lags) : null,
    lagSeconds: null,
    processes: seen.map(({ row, view: { state, breaker, lastSuccessAt, lastErrorAt, lastError } }) => ({
      ...{ process: row.process, parts: row.parts, state, breaker, lastSuccessAt, lastErrorAt, lastError }
    }))
  }
}

/** Away for some and not for others is neither up nor down. Who has not tried has no say. */
export function stateOfAll(states: readonly IntegrationState[]): IntegrationState {
  const known = new Set(states.filter(state => state !== 'unknown'))
  if (known.size === 0) return 'unknown'
  return known.size === 1 ? [...known][0]! : 'degraded'
}

const OLD_SECONDS = 60

function ofOutlet({ outlet, active, lag, lagSeconds }: Awaited<ReturnType<typeof readOutlets>>[number]): Integration {
  return {
    name: `outlet ${outlet}`,
    kind: 'outlet',
    state: !active ? 'down' : lagSeconds > OLD_SECONDS ? 'degraded' : 'up',
    breaker: null,
    lastSuccessAt: null,
    lastErrorAt: null,
    lastError: active ? null : 'no process holds it',
    lag,
    lagSeconds,
    processes: []
  }
}
