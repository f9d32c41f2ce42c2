/** An import while it runs: who holds it, how far it is, how it ends. */
import { ProductImportCompleted } from '#contracts/events/product-events.ts'
import { announce } from '#platform/messaging/outbox.ts'
import type { Database, Transaction } from '#platform/postgres/database.ts'
import type { CheckedRecord } from './checked-records.ts'
import { errorsUrlOf, type ImportRow } from './import.ts'
import type { Plan } from './plan-batch.ts'

/** What does not change while an import runs. */
export type RunningImport = { importId: string; dryRun: boolean; actor: string; traceparent: string | undefined }

/** Somebody cancelled the import, or another process goes on with it: whoever meets this leaves it alone. */
export class NotOurs extends Error {}

/** The import that is under way, else the one that waits longest, which begins. */
export async function takeImport(database: Database): Promise<ImportRow | undefined> {
  const [row] = await database.query<ImportRow>(
    `update imports set status = 'running', version = version + (status = 'pending')::integer, started_at = coalesce(started_at, now()),
       updated_at = now()
     where import_id = (
       select import_id from imports where status in ('pending', 'running') order by status = 'running' desc, import_id limit 1
     ) and status in ('pending', 'running') returning *`
  )
  return row
}

/** Makes sure that the import goes on from this byte and nowhere else, until the transaction ends. Throws `NotOurs`. */
export async function holdImport(tx: Transaction, importId: string, from: number): Promise<void> {
  const [row] = await tx.query<Pick<ImportRow, 'status' | 'bytes_done'>>(
    'select status, bytes_done from imports where import_id = $1 for no key update',
    [importId]
  )
  if (row?.status !== 'running' || row.bytes_done !== from)
    throw new NotOurs(`the import ${importId} is cancelled, or goes on elsewhere`)
}

/** Counts what became of records, and says where to go on after them. */
export function moveOn(tx: Transaction, importId: string, records: readonly CheckedRecord[], plan: Plan): void {
  const { next } = records.at(-1)!
  const rows = records.reduce((sum, record) => sum + record.rows, 0)
  tx.send(
    `update imports set place = $2::jsonb, bytes_done = $3, rows = rows + $4, created = created + $5, updated = updated + $6,
       unchanged = unchanged + $7, failed = failed + $8, errors = errors + $9, version = version + 1, updated_at = now()
     where import_id = $1`,
    [
      importId,
      JSON.stringify(next),
      next.offset,
      rows,
      plan.creations.length,
      plan.changes.length,
      plan.unchanged,
      plan.failed,
      plan.errors.length
    ]
  )
}

/** Ends an import whose file was read to its end, and announces that. */
export function completeImport(database: Database, { importId, traceparent }: RunningImport, from: number): Promise<void> {
  return database.transact(
    async tx => {
      const [row] = await tx.query<ImportRow>(
        `update imports set status = 'completed', bytes_done = bytes, version = version + 1, completed_at = now(), updated_at = now()
         where import_id = $1 and status = 'running' and bytes_done = $2 returning *`,
        [importId, from]
      )
      if (!row) return
      const { dry_run: dryRun, created, updated, unchanged, failed, version } = row
      const counts = { created, updated, unchanged, failed }
      announce(tx, ProductImportCompleted, { importId, dryRun, ...counts, errorsUrl: errorsUrlOf(row) }, version)
    },
    { traceparent }
  )
}

/** Ends an import of whose file nothing more can be read. */
export async function failImport(
  database: Database,
  importId: string,
  { code, detail }: { code: string; detail: string }
): Promise<void> {
  await database.query(
    `update imports set status = 'failed', reason_code = $2, reason_detail = $3, version = version + 1, completed_at = now(),
       updated_at = now()
     where import_id = $1 and status = 'running'`,
    [importId, code, detail.slice(0, 2000)]
  )
}
