/** What a run of chaos has shown, for people line by line, and as JSON for whoever keeps it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { invariants } from '../../test/chaos/ledger.ts'
import type { Outcome } from '../../test/chaos/run-scenario.ts'
import type { BrokerName } from '../../test/chaos/servers.ts'
import type { ChaosOptions } from './arguments.ts'

/** `error`: something that must hold meanwhile did not, or it never came to its end. */
export type Run = {
  number: number
  id: string
  title: string
  broker: BrokerName
  faults: readonly string[]
  outcome?: Outcome
  error?: string
}

export function describe({ number, id, broker, faults, outcome, error }: Run, atMs: number): string {
  const at = `${Math.floor(atMs / 60_000)}:${String(Math.floor(atMs / 1000) % 60).padStart(2, '0')}`
  const head = `${at.padStart(6)}  ${String(number).padStart(3)}  ${id.padEnd(3)} ${broker.padEnd(8)} ${faults.length} fault(s)`
  if (!outcome) return `${head}  FAILED: ${error}`
  const { committed, duplicates, convergedMs, ms, violations } = outcome
  const counts = `${committed} committed, ${duplicates} repeated, at rest in ${convergedMs ?? 'no'} ms, ${Math.round(ms / 1000)} s`
  return [`${head}  ${counts}`, ...violations.map(({ invariant, says }) => `        VIOLATION ${invariant}: ${says}`)].join('\n')
}

export async function reportOf(all: ChaosOptions & { startedAt: Date; runs: readonly Run[] }) {
  const { runs, startedAt, minutes, seed, brokers, only } = all
  const outcomes = runs.flatMap(({ outcome }) => outcome ?? [])
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  const violations = outcomes.flatMap(outcome => outcome.violations)
  return {
    seed,
    ...(await commitOf()),
    startedAt: startedAt.toISOString(),
    endedAt: new Date().toISOString(),
    ...{ minutes, brokers, only },
    totals: {
      runs: runs.length,
      failed: runs.filter(({ error }) => error !== undefined).length,
      broken: violations.length,
      strikes: sum(({ strikes }) => strikes),
      committed: sum(({ committed }) => committed),
      rolledBack: sum(({ rolledBack }) => rolledBack),
      delivered: sum(({ delivered }) => delivered),
      duplicates: sum(({ duplicates }) => duplicates),
      applied: sum(({ applied }) => applied),
      deadLetters: sum(({ deadLetters }) => deadLetters),
      slowestToRestMs: Math.max(0, ...outcomes.map(({ convergedMs }) => convergedMs ?? 0))
    },
    violations: Object.fromEntries(
      Object.entries(invariants).map(([invariant, promise]) => [
        invariant,
        { promise, broken: violations.filter(violation => violation.invariant === invariant).length }
      ])
    ),
    runs
  }
}

/** What was tested, where it is known: not in an archive. */
async function commitOf(): Promise<{ commit: string | null; changed: boolean | null }> {
  const git = async (...args: string[]) => (await promisify(execFile)('git', args, { cwd: import.meta.dirname })).stdout.trim()
  try {
    return { commit: await git('rev-parse', 'HEAD'), changed: (await git('status', '--porcelain')) !== '' }
  } catch {
    return { commit: null, changed: null }
  }
}
