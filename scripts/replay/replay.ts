/** A replay from beginning to end: read, plan, start, play, settle, audit. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeEmbeddedPostgres } from '#platform/postgres/embedded-postgres.ts'
import { openAuditDatabase } from './audit-database.ts'
import { auditEffects } from './audit-effects.ts'
import { auditEvents } from './audit-events.ts'
import { type EcosystemProcess, startEcosystemProcess } from './ecosystem-process.ts'
import { killAtRandom } from './kills.ts'
import { type Overheard, overhear } from './overhear.ts'
import { type OwnBroker, ownBrokers, takeAway } from './own-broker.ts'
import { type OpeningStock, planOf } from './plan.ts'
import { effortOf, type Played, playPlan } from './play.ts'
import { openProgress } from './progress.ts'
import { readHistory } from './read-history.ts'
import { type Report, reportOf } from './report.ts'
import { settle } from './settle.ts'
import { openShop } from './shop.ts'

export type ReplayOptions = {
  file: string
  /** Of an ecosystem that runs; without it the replay starts its own. */
  url?: string | undefined
  databaseUrl?: string | undefined
  /** Of a broker that runs and has no messages of others; without it, and without `ownBroker`, the database carries the messages. */
  brokerUrl?: string | undefined
  /** A broker to start for this replay. */
  ownBroker?: OwnBroker | undefined
  /** How long our own broker is away in the middle. */
  brokerOutageSeconds?: number
  /** Where its own ecosystem keeps its data, afterwards too; without it in a temporary folder. */
  dataDir?: string | undefined
  eventFaults: readonly string[]
  opening: OpeningStock
  kills: number
  seed: number
  /** Orders in flight. */
  concurrency: number
  /** Where the progress is shown; nowhere without it. */
  progressTo?: NodeJS.WritableStream | undefined
  /** When all is settled, before the audit: for tests that prove the audit. */
  beforeAudit?: (databaseUrl: string, played: Played, heard: Overheard) => Promise<void>
}

export async function replay(options: ReplayOptions, stop?: AbortSignal): Promise<Report> {
  await using stack = new AsyncDisposableStack()
  const clock = openClock()
  const history = await readHistory(options.file)
  const plan = planOf(history, options.opening)
  clock.lap('read')

  const broker = options.ownBroker ? stack.use(await ownBrokers[options.ownBroker]()) : undefined
  const brokerUrl = broker?.url ?? options.brokerUrl
  const own = options.url === undefined ? stack.use(await startOwn({ ...options, brokerUrl })) : undefined
  const url = own?.url ?? options.url!
  const databaseUrl = own?.databaseUrl ?? options.databaseUrl
  if (!databaseUrl) throw new Error('The address of the database is needed: events are counted there')
  const stopped = stop ? abortion(stop) : new Promise<never>(() => {})
  const orEnds = <Result>(work: Promise<Result>) => Promise.race([work, stopped, ...(own ? [own.ended] : [])])
  clock.lap('start')

  const database = stack.use(await openAuditDatabase(databaseUrl))
  const heard = stack.use(await overhear(brokerUrl ?? databaseUrl, database))
  const progress = stack.use(openProgress(effortOf(plan), options.progressTo))
  const shop = stack.use(openShop(url, options.concurrency))
  const playing = playPlan(plan, shop, { concurrency: options.concurrency, progress })
  const killing = own ? killAtRandom(own, progress, { count: options.kills, seed: options.seed }) : Promise.resolve()
  const outage = broker && options.brokerOutageSeconds ? takeAway(broker, progress, options.brokerOutageSeconds) : Promise.resolve()
  const [played] = await orEnds(Promise.all([playing, killing, outage]))
  clock.lap('play')

  const backlog = await orEnds(settle(database, heard, async () => (await own?.consumed())?.messages ?? 0))
  clock.lap('settle')

  await options.beforeAudit?.(databaseUrl, played, heard)
  const reconciliation = await orEnds(shop.reconciliation())
  const { counts, findings } = await auditEvents(database, heard)
  findings.push(...(await auditEffects(database, played)))
  clock.lap('audit')
  return reportOf({
    options,
    history,
    plan,
    played,
    backlog,
    reconciliation,
    events: counts,
    findings,
    kills: own?.kills() ?? 0,
    duplicatesRefused: (await own?.consumed())?.duplicates ?? null,
    errorsLogged: own?.said.errors ?? 0,
    seconds: clock.seconds
  })
}

/** An ecosystem on a database of its own; both are gone afterwards, unless the caller named a place for the data. */
async function startOwn({ dataDir, databaseUrl, brokerUrl, eventFaults }: ReplayOptions): Promise<EcosystemProcess> {
  await using stack = new AsyncDisposableStack()
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'product-service-replay-')))
  if (!dataDir) {
    stack.defer(async () => {
      await removeEmbeddedPostgres(join(folder, 'postgres'))
      await rm(folder, { recursive: true, force: true })
    })
  }
  const ecosystem = stack.use(await startEcosystemProcess({ dataDir: folder, databaseUrl, brokerUrl, eventFaults }))
  const held = stack.move()
  return { ...ecosystem, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

function abortion(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  if (signal.aborted) reject(signal.reason)
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  promise.catch(() => {})
  return promise
}

function openClock(): { lap(name: string): void; seconds: Record<string, number> } {
  const seconds: Record<string, number> = {}
  let since = performance.now()
  return {
    seconds,
    lap(name) {
      seconds[name] = Math.round((performance.now() - since) / 100) / 10
      since = performance.now()
    }
  }
}
