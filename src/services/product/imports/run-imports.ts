/** Takes files that have been sent into the catalog, one after another. */
import type { Database } from '#platform/postgres/database.ts'
import { isOutage } from '#platform/postgres/database-errors.ts'
import { FileRefused } from '#platform/text/records.ts'
import { checkedBatches } from './checked-records.ts'
import { formats } from './formats.ts'
import { importBatches } from './import-batches.ts'
import { completeImport, failImport, NotOurs, takeImport } from './running-import.ts'
import { readSpool } from './spool.ts'

/** After so long others have a turn, and whoever stops the process need not wait longer. */
const TURN_MS = 5000

/** Goes on with the import that is under way, or begins the next. */
export async function runImports(database: Database): Promise<{ done: number; more: boolean }> {
  const row = await takeImport(database)
  if (!row) return { done: 0, more: false }
  const { import_id: importId, place, currency, dry_run: dryRun, actor, traceparent } = row
  const running = { importId, dryRun, actor, traceparent: traceparent ?? undefined }
  const read = formats[row.media_type as keyof typeof formats]
  const records = read(readSpool(database, importId, place.offset), { from: place, currency })
  try {
    const { done, from, ended } = await importBatches(database, running, checkedBatches(records, place), {
      from: row.bytes_done,
      stopAt: performance.now() + TURN_MS
    })
    if (ended) await completeImport(database, running, from)
    return { done, more: true }
  } catch (error) {
    if (error instanceof NotOurs) return { done: 0, more: true }
    // The database is away or too busy: the import waits, and goes on from where it is.
    if (isOutage(error)) throw error
    await failImport(database, importId, whyOf(error))
    return { done: 0, more: true }
  }
}

function whyOf(error: unknown): { code: string; detail: string } {
  if (error instanceof FileRefused) return { code: error.code, detail: error.message }
  return { code: 'internal', detail: `Something went wrong on our side: ${error}` }
}
