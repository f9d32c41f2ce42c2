/** Work that one process does at a time: the others wait, and take over within about a second when it dies. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { Database, Session } from './database.ts'

/** Work that has gone on for so long was well: a failure after it counts as the first. */
const STEADY_MS = 10_000

/**
 * Holds the session lock `name` of this database and runs `work` while it does. `work` gets the session that holds the
 * lock: what it writes through it cannot be written after the lock is lost. It ends when `signal` aborts (disposed, or the
 * connection broke); when it ends or throws otherwise, it is started again after a pause that grows while it fails at once.
 */
export function exclusively(
  database: Database,
  name: string,
  work: (session: Session, signal: AbortSignal) => Promise<void>,
  log: Log
): AsyncDisposable {
  const stopped = new AbortController()
  const ended = loop()

  async function loop(): Promise<void> {
    let failures = 0
    while (!stopped.signal.aborted) {
      try {
        await using session = await database.connect(name)
        const signal = AbortSignal.any([stopped.signal, session.lost])
        if (await obtained(session, signal)) {
          const startedAt = performance.now()
          await work(session, signal).finally(() => {
            if (performance.now() - startedAt > STEADY_MS) failures = 0
          })
        }
      } catch (error) {
        if (stopped.signal.aborted) return
        failures++
        log.warn({ unit: 'exclusive', name: `${database.schema}.${name}`, failures, error: String(error) }, 'is started again')
      }
      await pause(Math.min(5000, 100 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2), stopped.signal)
    }
  }

  async function obtained(session: Session, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const [row] = await session.query<{ held: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as held', [
        `${database.schema}.${name}`
      ])
      if (row?.held) return true
      await pause(500 + Math.random() * 500, signal)
    }
    return false
  }

  return {
    [Symbol.asyncDispose]: async () => {
      stopped.abort()
      await ended
    }
  }
}

/** Waits, and returns early when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}
