/** The load of a world: transactions that move counters, some slow, some taken back. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '#platform/postgres/database.ts'
import { type CounterMoved, move } from './counting.ts'

export type Load = {
  writers: number
  keys: number
  /** Of all writers together. */
  perSecond: number
  /** Shares of the transactions. */
  rolledBack: number
  slow: number
  /** How long a slow one stays open after it has announced. */
  slowMs: number
  /** Says so in a property that older releases do not know. */
  note?: string
  /** So far may effects be behind: writers wait for them, so that a slow machine has as much left to do at the end as a fast one. */
  behindMax: number
}

export const usualLoad: Load = { writers: 4, keys: 12, perSecond: 60, rolledBack: 0.05, slow: 0.02, slowMs: 100, behindMax: 250 }

class TakenBack extends Error {}

/** Runs until disposed. What fails because the database is away is not tried again: the ledger knows what became of it. */
export function startWriters(
  database: Database,
  event: CounterMoved,
  load: Load,
  acknowledged: (attempt: string) => void
): AsyncDisposable {
  const pauseMs = (1000 * load.writers) / load.perSecond
  let stopped = false
  const working = Array.from({ length: load.writers }, write)

  async function write(): Promise<void> {
    for (let turn = 0; !stopped; turn++) {
      if (turn % 10 === 0) await caughtUp()
      const started = performance.now()
      const attempt = randomUUID()
      const takeBack = Math.random() < load.rolledBack
      const slow = Math.random() < load.slow
      try {
        await database.transact(async tx => {
          await move(tx, event, `key-${Math.floor(Math.random() * load.keys)}`, attempt, load.note)
          if (slow) await delay(load.slowMs)
          if (takeBack) throw new TakenBack()
        })
        acknowledged(attempt)
      } catch (error) {
        if (error instanceof TakenBack) await database.query('insert into rolled_back values ($1)', [attempt]).catch(() => {})
        else await delay(50)
      }
      await delay(Math.max(1, (pauseMs - (performance.now() - started)) * (0.5 + Math.random())))
    }
  }

  async function caughtUp(): Promise<void> {
    const behind = 'select (select count(*) from committed) - (select count(*) from applied) as behind'
    while (!stopped) {
      const rows = await database.query<{ behind: number }>(behind).catch(() => [])
      if (rows[0] && rows[0].behind < load.behindMax) return
      await delay(100)
    }
  }

  return {
    async [Symbol.asyncDispose]() {
      stopped = true
      await Promise.all(working)
    }
  }
}
