import { Problem } from '#contracts/problems.ts'
import type { Database } from '#platform/postgres/database.ts'
import { isAway, isOutage, violated } from '#platform/postgres/database-errors.ts'
import type { CheckedRecord } from './checked-records.ts'
import { faultsOf } from './plan-batch.ts'
import { prepareBatch } from './prepare-batch.ts'
import { holdImport, NotOurs, type RunningImport } from './running-import.ts'
import { storeBatch } from './store-batch.ts'

/** As often is one record tried when others keep changing its product. */
const TRIES_MAX = 5

/**
 * Takes a batch of records into the catalog, from a byte of the file on, in one transaction that nobody else comes in between. When
 * somebody does all the same it is tried again, and then in halves, so that what cannot be taken fails alone.
 */
export async function importBatch(
  database: Database,
  running: RunningImport,
  records: readonly CheckedRecord[],
  from: number
): Promise<void> {
  const attempt = (records: readonly CheckedRecord[]) => takeIn(database, running, records, from)
  const triesMax = records.length === 1 ? TRIES_MAX : 2
  for (let tries = 1; tries <= triesMax; tries++) {
    try {
      return await attempt(records)
    } catch (error) {
      if (error instanceof NotOurs || isAway(error)) throw error
      if (records.length === 1 && tries === triesMax) return attempt([refusedRecord(records[0]!, error)])
    }
  }
  const half = Math.ceil(records.length / 2)
  await importBatch(database, running, records.slice(0, half), from)
  await importBatch(database, running, records.slice(half), records[half - 1]!.next.offset)
}

function takeIn(database: Database, running: RunningImport, records: readonly CheckedRecord[], from: number): Promise<void> {
  return database.transact(
    async tx => {
      await holdImport(tx, running.importId, from)
      const batch = await prepareBatch(tx, running, records, { before: [], lock: true })
      await storeBatch(tx, running, batch, from)
    },
    { traceparent: running.traceparent }
  )
}

function refusedRecord(record: CheckedRecord, error: unknown): CheckedRecord {
  const { line } = record
  return { ...record, given: null, errors: whatIsWrong(error).map(fault => ({ line, ...fault })) }
}

const takenBy: Readonly<Record<string, string>> = {
  products_slug_key: 'slug-taken',
  products_external_id_key: 'external-id-taken',
  variants_sku_key: 'sku-taken'
}

function whatIsWrong(error: unknown) {
  if (error instanceof Problem) return faultsOf(error)
  const told = (code: string, detail: string) => [{ pointer: '#', code, detail }]
  const constraint = violated(error)
  if (constraint !== undefined)
    return told(takenBy[constraint] ?? 'conflict', 'somebody else made the same at the same time; send it once more')
  if (isOutage(error)) return told('busy', 'others were changing the same all the time; send it once more')
  return told('internal', `something went wrong on our side: ${error instanceof Error ? error.message : error}`)
}
