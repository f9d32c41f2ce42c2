/**
 * A world in which things go wrong: a database, a broker, and writers, relays and consumers in processes of their own, each on lines that can
 * be disturbed. What is asked of it from outside goes past those lines.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { until } from '#broker/conformance-kit.ts'
import type { Database, Queryable, Row } from '#platform/postgres/database.ts'
import { isOutage } from '#platform/postgres/database-errors.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { type FaultProxy, openFaultProxy } from '../support/fault-proxy.ts'
import { migrating, openCounting, quiet, tables } from './counting.ts'
import type { Servers } from './servers.ts'
import { type PartName, type ProcessOptions, type Supervised, supervise } from './supervised.ts'
import { openWitness, type Witness } from './witness.ts'
import { type Load, usualLoad } from './writers.ts'

export const lineNames = [
  'writer to database',
  'relay to database',
  'relay to broker',
  'consumer to database',
  'consumer to broker',
  // The one that the questions of the tests take.
  'ledger to database'
] as const
export type LineName = (typeof lineNames)[number]

export type World = AsyncDisposable & {
  servers: Servers
  topic: string
  subscription: string
  /** By which the service logs in, past all lines. */
  serviceUrl: string
  /** The superuser's. */
  adminUrl: string
  brokerUrl: string
  /** As the superuser, past all lines. */
  sql: Database
  witness: Witness
  acknowledged: Set<string>
  /** What processes have done wrong. */
  complaints: string[]
  /** When the first fault was struck, by the database's clock. */
  struckAt: string
  /** How often something was struck that may make the outlet repeat a batch, or the broker a delivery. */
  strikes: number
  /** Messages that were repeated on purpose. */
  repeated: number
  /** Messages were published out of their order on purpose. */
  reordered: boolean
  /** What ends with the world, after its processes. */
  stack: AsyncDisposableStack
  parts: Supervised[]
  start(part: PartName, options?: Partial<ProcessOptions>): Promise<Supervised>
  /** The first process of a part. */
  the(part: PartName): Supervised
  line(name: LineName): FaultProxy
  /** Asks the database again while it is away. */
  ask<R extends Row>(sql: string, values?: readonly unknown[]): Promise<R[]>
  /** Waits until so many more effects were made. */
  progress(effects: number, withinMs?: number): Promise<void>
}

/** Long enough for a machine that has other things to do. */
const ANSWER_MS = 60_000

/** What the database answers, once it is there: a world takes it away. */
export async function answered<R extends Row>(database: Queryable, text: string, values?: readonly unknown[]): Promise<R[]> {
  for (const deadline = Date.now() + ANSWER_MS; ; await delay(50)) {
    try {
      return await database.query<R>(text, values)
    } catch (error) {
      if (!isOutage(error) || Date.now() > deadline) throw error
    }
  }
}
const PROGRESS_MS = 90_000

export type WorldOptions = { servers: Servers; lines?: boolean; load?: Partial<Load> } & Pick<
  ProcessOptions,
  'faults' | 'retryDelaysMs'
>

export async function openWorld({ servers, lines: withLines = false, load, ...rest }: WorldOptions): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const name = `chaos_${randomUUID().slice(0, 8)}`
  const adminUrl = await createDatabase(servers.database.url, name, stack)
  const brokerUrl = servers.brokerName === 'postgres' ? await createDatabase(servers.broker.url, name, stack) : servers.broker.url
  const serviceUrl = await migrate(adminUrl, migrating, quiet)
  const owner = openCounting(serviceUrl, 1)
  await owner.query(tables.replaceAll('\n', ' ').split(';')[0]!)
  for (const statement of tables.split(';').slice(1)) if (statement.trim()) await owner.query(statement)
  await owner[Symbol.asyncDispose]()
  const topic = `chaos.${name.slice('chaos_'.length)}`
  const witness = stack.use(await openWitness(brokerUrl, topic))

  const urlOf = (line: LineName) => (line === 'writer to database' ? serviceUrl : line.endsWith('database') ? adminUrl : brokerUrl)
  const lines = new Map<LineName, FaultProxy>()
  if (withLines) for (const each of lineNames) lines.set(each, stack.use(await openFaultProxy(urlOf(each))))
  const sql = stack.use(openCounting(lines.get('ledger to database')?.url ?? adminUrl, 4))
  const withWorld = new AsyncDisposableStack()
  const complaints: string[] = []
  const acknowledged = new Set<string>()
  const parts: Supervised[] = []
  const subscription = `ledger-${name.slice('chaos_'.length)}`

  const world: Omit<World, typeof Symbol.asyncDispose> = {
    ...{ servers, topic, subscription, serviceUrl, adminUrl, brokerUrl, sql, witness, acknowledged, complaints, parts },
    stack: withWorld,
    struckAt: new Date().toISOString(),
    strikes: 0,
    repeated: 0,
    reordered: false,
    async start(part, options = {}) {
      const through = (to: 'database' | 'broker') => {
        const line = `${part} to ${to}` as LineName
        return lines.get(line)?.url ?? urlOf(line)
      }
      const heard = part === 'writer' ? (line: string) => void acknowledged.add(line) : undefined
      const all = { databaseUrl: through('database'), brokerUrl: through('broker'), topic, subscription, ...rest }
      const started = supervise(part, { ...all, load: { ...usualLoad, ...load }, ...options }, complaints, heard)
      parts.push(started)
      await started.ready()
      return started
    },
    the(part) {
      const found = parts.find(each => each.part === part)
      if (!found) throw new Error(`there is no ${part} in this world`)
      return found
    },
    line(wanted) {
      const found = lines.get(wanted)
      if (!found) throw new Error(`this world has no lines that can be disturbed`)
      return found
    },
    ask: (text, values) => answered(sql, text, values),
    async progress(effects, withinMs = PROGRESS_MS) {
      const made = async () => (await this.ask<{ made: number }>('select count(*) as made from applied'))[0]!.made
      const enough = (await made()) + effects
      await until(`${effects} more effects`, async () => (await made()) >= enough, withinMs)
    }
  }
  const owned = stack.move()
  return Object.assign(world, {
    async [Symbol.asyncDispose]() {
      await Promise.all(parts.map(part => part.stop()))
      await withWorld.disposeAsync()
      await owned.disposeAsync()
    }
  })
}

async function createDatabase(serverUrl: string, name: string, stack: AsyncDisposableStack): Promise<string> {
  await once(serverUrl, `create database ${name}`)
  stack.defer(async () => void (await once(serverUrl, `drop database if exists ${name} with (force)`)))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Runs a statement on a connection of its own. */
export async function once(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000, query_timeout: 20_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end().catch(() => {})
  }
}
