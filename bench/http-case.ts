/** A case that is load over HTTP: its rate, latency, and CPU time per request of the server and of PostgreSQL. */
import { type Load, load, type Target } from './load.ts'
import type { Case, Sample } from './measure.ts'
import { cpuSecondsOf } from './processes.ts'
import { say } from './progress.ts'

export type HttpCase = Target & {
  name: string
  against?: string | undefined
  connections?: number
  /** The servers whose CPU time counts, with their children. */
  pids: readonly number[]
  /** After each shot, before its end counts: what it set off is waited for. */
  afterEach?: () => Promise<void>
}

const WARM_UP_SECONDS = 2

export function httpCase(each: HttpCase, { seconds, postgresPid }: { seconds: number; postgresPid: number }): Case {
  const { name, against, connections = 32, afterEach } = each
  return {
    name,
    ...(against !== undefined && { against }),
    async warmUp() {
      const { failed, firstFailure } = await load(each, { connections, seconds: Math.min(WARM_UP_SECONDS, seconds) })
      if (failed > 0) say(`  ${name}: ${failed} failed while warming up: ${firstFailure}`)
      await afterEach?.()
    },
    async shoot() {
      const sample = await timed(each, { connections, seconds }, [each.pids, [postgresPid]])
      await afterEach?.()
      return sample
    }
  }
}

/** Fires a load and says what it took: of the servers first, then of PostgreSQL. */
export async function timed(target: Target, options: Load, pids: readonly (readonly number[])[]): Promise<Sample> {
  const before = pids.map(cpuSecondsOf)
  const shot = await load(target, options)
  const [cpu, postgres] = pids.map((each, index) => ((cpuSecondsOf(each) - before[index]!) * 1000) / Math.max(1, shot.requests))
  if (shot.firstFailure !== undefined) say(`  ${shot.failed} failed: ${shot.firstFailure}`)
  return {
    'per s': shot.requests / shot.seconds,
    'CPU ms': Math.max(0, cpu ?? 0),
    'PG CPU ms': Math.max(0, postgres ?? 0),
    'p50 ms': shot.p50,
    'p99 ms': shot.p99,
    failed: shot.failed
  }
}
