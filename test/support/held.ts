import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '#platform/postgres/database.ts'

/** Locks what a statement selects `for update`, until it is released: whoever wants to write it waits meanwhile. */
export async function hold(database: Database, sql: string, values: readonly unknown[]): Promise<{ release(): Promise<void> }> {
  const locked = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const held = database.transact(async tx => {
    assert.ok((await tx.query(sql, values)).length > 0, 'there is nothing to lock')
    locked.resolve()
    await released.promise
  })
  await Promise.race([locked.promise, held])
  return {
    release() {
      released.resolve()
      return held
    }
  }
}

/** The backends that wait for a lock in this database, once there are so many. */
export async function untilWaiting(database: Database, count: number): Promise<number[]> {
  for (;;) {
    const waiting = await database.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    )
    if (waiting.length >= count) return waiting.map(({ pid }) => pid)
    await delay(5)
  }
}
