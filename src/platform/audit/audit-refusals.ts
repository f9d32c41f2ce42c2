/**
 * Refused attempts on their way into the audit log: they have no transaction to be written in, so they wait in memory, for a second at most
 * and so many at most. What does not fit, and what waits in a process that is killed, is lost: counted and logged, and nobody waits for it.
 */

import type { Log } from '../log.ts'
import type { Database } from '../postgres/database.ts'
import { pause } from '../postgres/exclusive.ts'
import { auditedRefusals } from '../telemetry.ts'
import { type AuditRow, storeRecords } from './audit.ts'

export interface Refusals extends AsyncDisposable {
  /** Never throws and never waits. */
  add(row: AuditRow): void
}

const WAITING_MAX = 2000
/** Written at once: with the interval, also how much one process can write of them per second. */
const BATCH = 500
const INTERVAL_MS = 1000

/** Disposing writes what waits. */
export function openRefusals(options: {
  service: string
  database: Database
  log: Log
  waitingMax?: number
  intervalMs?: number
}): Refusals {
  const { service, database, log, waitingMax = WAITING_MAX, intervalMs = INTERVAL_MS } = options
  const recorded = auditedRefusals.labels(service, 'recorded')
  const lost = auditedRefusals.labels(service, 'lost')
  const waiting: { row: AuditRow; at: number }[] = []
  const closing = new AbortController()
  let lostSince = 0
  const ended = writeInTime()

  async function writeInTime(): Promise<void> {
    while (!closing.signal.aborted) {
      await pause(intervalMs, closing.signal)
      if (!closing.signal.aborted) await write()
    }
    while (waiting.length > 0 && (await write()));
    lose(waiting.splice(0).length)
    tell()
  }

  /** False when they could not be written: then they wait on. */
  async function write(): Promise<boolean> {
    tell()
    if (waiting.length === 0) return true
    const batch = waiting.splice(0, BATCH)
    try {
      const now = performance.now()
      await storeRecords(
        database,
        batch.map(({ row, at }) => ({ ...row, ageMs: now - at }))
      )
      recorded.inc(batch.length)
      return true
    } catch (error) {
      log.warn({ unit: 'audit', waiting: batch.length, error: String(error) }, 'refused attempts could not be recorded')
      const room = Math.max(0, waitingMax - waiting.length)
      lose(batch.length - Math.min(room, batch.length))
      waiting.unshift(...batch.slice(0, room))
      return false
    }
  }

  function lose(count: number): void {
    if (count === 0) return
    lost.inc(count)
    lostSince += count
  }

  function tell(): void {
    if (lostSince > 0) log.warn({ unit: 'audit', lost: lostSince }, 'refused attempts were not recorded: there were too many')
    lostSince = 0
  }

  return {
    add(row) {
      if (closing.signal.aborted || waiting.length >= waitingMax) return lose(1)
      waiting.push({ row, at: performance.now() })
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await ended
    }
  }
}
