/** Runs one scenario: a world under load, its faults one after another, rest, and what its ledger says. */

import { freePort } from '../support/free-port.ts'
import { startSmallDiskPostgres } from '../support/postgres-small-disk.ts'
import type { Fault } from './faults/fault.ts'
import { type Expected, type Violation, violationsOf } from './ledger.ts'
import { cameToRest, readLedger } from './read-ledger.ts'
import type { BrokerName, Servers } from './servers.ts'
import type { ProcessOptions } from './supervised.ts'
import { openWorld, type World } from './world.ts'
import type { Load } from './writers.ts'

export type Scenario = {
  /** Of the fault matrix. */
  id: `F${number}`
  /** What holds, as a sentence. */
  title: string
  faults: readonly Fault[]
  /** Where it runs. */
  brokers: readonly BrokerName[]
  /** Where it runs with every test run; elsewhere only in `npm run chaos`. */
  quick: readonly BrokerName[]
  /** How often `npm run chaos` draws it. */
  weight: number
  /** How many processes there are of each part; one, when nothing is said. */
  relays?: number
  consumers?: number
  /** Whether the lines between processes and servers can be disturbed. */
  lines?: boolean
  /** Whether PostgreSQL waits for the disk, as it does in earnest: where it is crashed. */
  durable?: boolean
  load?: Partial<Load>
  options?: Pick<ProcessOptions, 'faults' | 'retryDelaysMs'>
  /** Each process of these parts has a clock that is wrong by so much. */
  skewMs?: { relay: number; consumer: number }
  /** Whether events are signed and signatures required. */
  signed?: boolean
  /** Whether the log of the database is on a disk that can be filled: where somebody may mount one. */
  smallDisk?: boolean
  /** Effects before the first fault, where what comes after is compared with what was before. */
  warmUp?: number
  expected?: Partial<Omit<Expected, 'duplicatesMax'>>
}

export type Outcome = {
  id: string
  title: string
  broker: BrokerName
  committed: number
  rolledBack: number
  delivered: number
  duplicates: number
  applied: number
  deadLetters: number
  strikes: number
  convergedMs: number | null
  lagP99Ms: number
  ms: number
  violations: Violation[]
}

/** Of the outlet, and of what a broker's driver has in flight. */
const BATCH = 1000
const REST_MS = 30_000

export async function runScenario(scenario: Scenario, given: Servers): Promise<Outcome> {
  const started = performance.now()
  await using stack = new AsyncDisposableStack()
  const servers = scenario.smallDisk ? { ...given, database: stack.use(await startSmallDiskPostgres()) } : given
  await servers.waitForDisk(scenario.durable ?? false)
  await using world = await openWorld({
    servers,
    ...(scenario.lines ? { lines: true } : {}),
    ...(scenario.load ? { load: scenario.load } : {}),
    ...scenario.options
  })
  await startParts(world, scenario)
  await world.progress(scenario.warmUp ?? 20)
  const [{ now } = { now: '' }] = await world.ask<{ now: string }>('select clock_timestamp()::text as now')
  world.struckAt = now
  for (const fault of scenario.faults) await fault.strike(world)
  await stopped(world, 'writer')
  const restMs = scenario.expected?.convergedWithinMs ?? REST_MS
  const convergedMs = await cameToRest(world, restMs)
  await stopped(world, 'relay', 'consumer', 'api')
  const ledger = await readLedger(world, convergedMs)
  const violations = violationsOf(ledger, {
    poison: key => key.startsWith('poison-'),
    convergedWithinMs: restMs,
    lagGrowthMax: Number.POSITIVE_INFINITY,
    ...scenario.expected,
    ordered: !world.reordered && (scenario.expected?.ordered ?? true),
    duplicatesMax: world.strikes * BATCH + world.repeated
  })
  return {
    id: scenario.id,
    title: scenario.title,
    broker: servers.brokerName,
    committed: ledger.committed.length,
    rolledBack: ledger.rolledBack.length,
    delivered: ledger.delivered.length,
    duplicates: ledger.delivered.length - world.witness.distinct,
    applied: ledger.applied.length,
    deadLetters: ledger.setAside.length,
    strikes: world.strikes,
    convergedMs: convergedMs ?? null,
    lagP99Ms: Math.round(ledger.lagP99Ms.since),
    ms: Math.round(performance.now() - started),
    violations
  }
}

async function startParts(world: World, { relays = 1, consumers = 1, skewMs, signed }: Scenario): Promise<void> {
  const keys: Partial<ProcessOptions> = {}
  if (signed) {
    const port = await freePort()
    keys.keySetUrl = `http://127.0.0.1:${port}/.well-known/jwks.json`
    await world.start('api', { port })
  }
  const skewed = (part: 'relay' | 'consumer') => (skewMs ? { skewMs: skewMs[part] } : {})
  // Somebody must be there to route to before anything is published.
  await Promise.all(Array.from({ length: consumers }, () => world.start('consumer', { ...skewed('consumer'), ...keys })))
  await Promise.all([world.start('writer'), ...Array.from({ length: relays }, () => world.start('relay', skewed('relay')))])
}

async function stopped(world: World, ...parts: readonly string[]): Promise<void> {
  await Promise.all(world.parts.filter(({ part }) => parts.includes(part)).map(part => part.stop()))
}
