/**
 * Tells whoever follows a table that there is something new, without a NOTIFY inside business transactions: those take a
 * global lock at commit, which cost 83 % of throughput at 64 clients.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Database, Session } from '../postgres/database.ts'
import { pause } from '../postgres/exclusive.ts'

export interface Wakeup {
  /** Something was committed. Cheap: call it after every commit. */
  wake(): void
  /** Follows from now on; through the session, also what other processes commit. */
  follow(session?: Session): Promise<Follower>
}

export interface Follower extends Disposable {
  /**
   * Resolves when something came since the last call, at the next wake-up, after `ms`, or when the signal aborts. Whoever says how much it
   * found last time waits the longer the more that was, up to a few milliseconds: under load, work in batches finds something to batch,
   * and what comes alone does not wait.
   */
  next(ms: number, signal: AbortSignal, found?: number): Promise<void>
}

/** It need not reach the disk. */
const notify = "select set_config('synchronous_commit', 'off', true), pg_notify($1, '')"

/** One coalesced NOTIFY says it for everything committed meanwhile. */
const COALESCE_MS = 5
/** After so much at once, or more, the next look is so many milliseconds later. */
const PACE_MS = 10

/**
 * `one` follows at a time, the holder of a lock: when that is here, there is nobody to tell elsewhere. `many` may follow, each in a process
 * of its own.
 */
export type Followers = { followers: 'one' | 'many' }

export function openWakeup(database: Database, name: string, { followers: expected }: Followers = { followers: 'one' }): Wakeup {
  const channel = `${database.schema}.${name}`
  const followers = new Set<() => void>()
  let untold = false
  let telling = false

  /** One NOTIFY at a time, however slow the database is: the next one says what was committed meanwhile. */
  async function tell(): Promise<void> {
    telling = true
    while (untold) {
      await delay(COALESCE_MS, undefined, { ref: false })
      untold = false
      // A lost notification is made up for by the followers' slow poll.
      await database.query(notify, [channel]).catch(() => {})
    }
    telling = false
  }

  return {
    wake() {
      for (const resume of followers) resume()
      if (followers.size > 0 && expected === 'one') return
      untold = true
      if (!telling) void tell()
    },
    async follow(session) {
      let fresh = true
      let resumedAt = 0
      let resume = () => {}
      const noticed = () => {
        fresh = true
        resume()
      }
      await session?.listen(channel, noticed)
      followers.add(noticed)
      return {
        async next(ms, signal, found = PACE_MS) {
          const early = resumedAt + Math.min(PACE_MS, found) - performance.now()
          if (early > 0) await pause(early, signal)
          await new Promise<void>(resolve => {
            const done = () => {
              clearTimeout(timer)
              signal.removeEventListener('abort', done)
              resume = () => {}
              fresh = false
              resumedAt = performance.now()
              resolve()
            }
            const timer = setTimeout(done, ms)
            resume = done
            signal.addEventListener('abort', done, { once: true })
            if (fresh || signal.aborted) done()
          })
        },
        [Symbol.dispose]: () => followers.delete(noticed)
      }
    }
  }
}
