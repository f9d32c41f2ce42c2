import type { Database } from '#platform/postgres/database.ts'
import type { CheckedRecord } from './checked-records.ts'
import { importBatch } from './import-batch.ts'
import { type PreparedBatch, prepareBatch } from './prepare-batch.ts'
import type { RunningImport } from './running-import.ts'
import { storeBatch } from './store-batch.ts'

/** While one is being stored the next waits for it in the database, and the one after that is being prepared. */
const UNDER_WAY_MAX = 2

type UnderWay = PreparedBatch & { from: number; stored: Promise<unknown> }

/**
 * Takes batches into the catalog in their order, until they or the time have ended. Reading, preparing and storing overlap. What cannot be
 * stored as it was prepared, because somebody else came first, is done over, one batch after another.
 */
export async function importBatches(
  database: Database,
  running: RunningImport,
  batches: AsyncGenerator<CheckedRecord[]>,
  { from: start, stopAt }: { from: number; stopAt: number }
): Promise<{ done: number; from: number; ended: boolean }> {
  const underWay: UnderWay[] = []
  let from = start
  let done = 0
  let ended = false

  /** Waits until no more than so many are under way. */
  async function settle(most: number): Promise<void> {
    while (underWay.length > most) {
      const failed = await underWay[0]!.stored
      if (failed) {
        // Those behind it have failed with it: each begins where the one before it ended.
        await Promise.all(underWay.map(({ stored }) => stored))
        for (const batch of underWay.splice(0)) await importBatch(database, running, batch.records, batch.from)
        return
      }
      underWay.shift()
    }
  }

  const next = ahead(batches)
  try {
    while (performance.now() < stopAt) {
      const records = await next()
      if (!records) {
        ended = true
        break
      }
      const before = underWay.map(({ plan }) => plan)
      const batch = await prepareBatch(database, running, records, { before, lock: false })
      // Categories that it creates are known to the next only when they are there.
      const alone = batch.missingCategories.length > 0
      await settle(alone ? 0 : UNDER_WAY_MAX - 1)
      const stored = store(database, running, batch, from)
      underWay.push({ ...batch, from, stored })
      if (alone) await settle(0)
      from = records.at(-1)!.next.offset
      done += records.length
    }
  } finally {
    await settle(0)
    await batches.return(undefined)
  }
  return { done, from, ended }
}

/** Resolves to what went wrong, if anything did. */
function store(database: Database, running: RunningImport, batch: PreparedBatch, from: number): Promise<unknown> {
  return database
    .transact(tx => storeBatch(tx, running, batch, from), { traceparent: running.traceparent })
    .then(
      () => undefined,
      error => error ?? new Error('nothing is known of what went wrong')
    )
}

/** Has the next one read while one is used. */
function ahead<Item>(items: AsyncGenerator<Item>): () => Promise<Item | undefined> {
  let coming: Promise<IteratorResult<Item>> | undefined
  return async () => {
    const { value, done } = await (coming ?? items.next())
    if (done) return undefined
    coming = items.next()
    // Should the work end before, nobody waits for it.
    coming.catch(() => {})
    return value
  }
}
