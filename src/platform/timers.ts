/** Work that recurs, one process at a time per service. */
import type { Config } from './config.ts'
import { pruneIdempotencyKeys } from './http/idempotency.ts'
import { pruneKnownUsers } from './identity/known-users-store.ts'
import type { Log } from './log.ts'
import { pruneDeadLetters } from './messaging/dead-letters.ts'
import { dropOldPartitions } from './messaging/event-log.ts'
import type { Database } from './postgres/database.ts'
import { exclusively, pause } from './postgres/exclusive.ts'
import { tidySigningKeys } from './signing/signing-keys.ts'

export type Timer = {
  name: string
  intervalMs(config: Config): number
  /** Does a bounded amount of work and says how much; when it says `more`, it runs again at once. */
  run(database: Database, config: Config): Promise<{ done: number; more?: boolean }>
}

/** `every('expireReservations', config => config.EXPIRY_INTERVAL_MS, expireReservations)` */
export function every(name: string, intervalMs: Timer['intervalMs'], run: Timer['run']): Timer {
  return { name, intervalMs, run }
}

const HOUR_MS = 3_600_000
const PRUNE_BATCH = 1000

/** What every service forgets in time. */
const housekeeping: readonly Timer[] = [
  every(
    'pruneIdempotencyKeys',
    () => HOUR_MS,
    async (database, config) => {
      const done = await pruneIdempotencyKeys(database, config.IDEMPOTENCY_RETENTION_HOURS)
      return { done, more: done === PRUNE_BATCH }
    }
  ),
  every(
    'pruneInbox',
    () => HOUR_MS,
    async (database, config) => {
      const rows = await database.query(
        `delete from inbox where (consumer, source, event_id) in (
           select consumer, source, event_id from inbox where received_at < now() - make_interval(days => $1)
           limit ${PRUNE_BATCH}
         ) returning 1`,
        [config.INBOX_RETENTION_DAYS]
      )
      return { done: rows.length, more: rows.length === PRUNE_BATCH }
    }
  ),
  every(
    'pruneDeadLetters',
    () => HOUR_MS,
    (database, config) => pruneDeadLetters(database, config.DEAD_LETTER_RETENTION_DAYS)
  ),
  every(
    'pruneKnownUsers',
    () => HOUR_MS,
    async (database, config) => {
      const done = await pruneKnownUsers(database, config.INBOX_RETENTION_DAYS, PRUNE_BATCH)
      return { done, more: done === PRUNE_BATCH }
    }
  ),
  every(
    'tidySigningKeys',
    () => HOUR_MS,
    async (database, config) => ({ done: await tidySigningKeys(database, config.SIGNING_KEY_RETENTION_DAYS) })
  ),
  every(
    'dropOldPartitions',
    () => HOUR_MS,
    async (database, config) => ({
      done: (await database.transact(tx => dropOldPartitions(tx, config.EVENT_LOG_RETENTION_DAYS))).length
    })
  )
]

/**
 * Runs the timers of a service until disposed, each at its own pace: one that is busy delays no other. A timer that fails is logged and
 * runs again when it is due.
 */
export function startTimers(options: { database: Database; timers: readonly Timer[]; config: Config; log: Log }): AsyncDisposable {
  const { database, config, log } = options
  const timers = [...options.timers, ...housekeeping]

  async function recur(timer: Timer, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const more = await turn(timer, database, config, log)
      await pause(more ? 0 : timer.intervalMs(config), signal)
    }
  }

  return exclusively(
    database,
    'timers',
    async (_session, signal) => {
      await Promise.all(timers.map(timer => recur(timer, signal)))
    },
    log
  )
}

async function turn(timer: Timer, database: Database, config: Config, log: Log): Promise<boolean> {
  const started = performance.now()
  const line = { unit: 'timer', timer: timer.name }
  try {
    const { done, more = false } = await timer.run(database, config)
    if (done > 0) log.info({ ...line, done, ms: Math.round(performance.now() - started) }, `${timer.name} ${done}`)
    return more
  } catch (error) {
    log.warn({ ...line, error: String(error) }, `${timer.name} failed`)
    return false
  }
}
