/**
 * Tells whoever follows a table that there is something new, without a NOTIFY inside business transactions: those take a
 * global lock at commit, which cost 83 % of throughput at 64 clients.
 */
import type { Database, Session } from './database.ts'

export interface Wakeup {
  /** Something was committed. Cheap: call it after every commit. */
  wake(): void
  /** Follows from now on; through the session, also what other processes commit. */
  follow(session?: Session): Promise<Follower>
}

export interface Follower extends Disposable {
  /** Resolves at once when something came since the last call, else at the next wake-up, after `ms`, or when the signal aborts. */
  next(ms: number, signal: AbortSignal): Promise<void>
}

/** One coalesced NOTIFY says it for everything committed meanwhile. */
const COALESCE_MS = 5

export function openWakeup(database: Database, name: string): Wakeup {
  const channel = `${database.schema}.${name}`
  const followers = new Set<() => void>()
  let notifying = false

  const wakeHere = () => {
    for (const resume of followers) resume()
  }

  return {
    wake() {
      wakeHere()
      if (notifying) return
      notifying = true
      setTimeout(() => {
        notifying = false
        // A lost notification is made up for by the followers' slow poll.
        database.query("select pg_notify($1, '')", [channel]).catch(() => {})
      }, COALESCE_MS).unref()
    },
    async follow(session) {
      let fresh = true
      let resume = () => {}
      const noticed = () => {
        fresh = true
        resume()
      }
      followers.add(noticed)
      await session?.listen(channel, noticed)
      return {
        next: (ms, signal) =>
          new Promise(resolve => {
            const done = () => {
              clearTimeout(timer)
              signal.removeEventListener('abort', done)
              resume = () => {}
              fresh = false
              resolve()
            }
            const timer = setTimeout(done, ms)
            resume = done
            signal.addEventListener('abort', done, { once: true })
            if (fresh || signal.aborted) done()
          }),
        [Symbol.dispose]: () => followers.delete(noticed)
      }
    }
  }
}
