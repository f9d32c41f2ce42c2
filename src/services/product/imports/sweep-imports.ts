/** What imports leave behind: files that never became whole, what ended imports needed, and in time the imports themselves. */
import type { Config } from '#platform/config.ts'
import type { Database } from '#platform/postgres/database.ts'
import { dropSpool } from './spool.ts'

/** A file of which nothing has come for so long has been given up. */
const UPLOAD_GIVEN_UP = '1 hour'
const ROWS_DROPPED = 10_000

/** Sweeps a bounded amount. */
export async function sweepImports(database: Database, config: Config): Promise<{ done: number; more: boolean }> {
  const [spent] = await database.query<{ import_id: string }>(
    `select import_id from imports
     where (status = 'uploading' and updated_at < now() - interval '${UPLOAD_GIVEN_UP}')
       or (status in ('completed', 'failed', 'cancelled')
         and (not swept or completed_at < now() - make_interval(days => $1)))
     limit 1`,
    [config.IMPORT_RETENTION_DAYS]
  )
  if (!spent) return { done: 0, more: false }
  return { done: await sweep(database, spent.import_id, config.IMPORT_RETENTION_DAYS), more: true }
}

/** What an import needs while it runs goes first, then its errors, and at last the import. */
async function sweep(database: Database, importId: string, retentionDays: number): Promise<number> {
  const pieces = await dropSpool(database, importId)
  if (pieces > 0) return pieces
  for (const [table, column] of [
    ['import_products', 'product_id'],
    ['import_keys', 'key']
  ]) {
    const rows = await dropRows(database, importId, table!, column!)
    if (rows > 0) return rows
  }
  const swept = await database.query(
    `update imports set swept = true where import_id = $1 and status <> 'uploading' and not swept returning 1`,
    [importId]
  )
  if (swept.length > 0) return swept.length
  const errors = await dropRows(database, importId, 'import_errors', 'number')
  if (errors > 0) return errors
  const gone = await database.query(
    `delete from imports where import_id = $1 and (status = 'uploading' or completed_at < now() - make_interval(days => $2)) returning 1`,
    [importId, retentionDays]
  )
  return gone.length
}

async function dropRows(database: Database, importId: string, table: string, column: string): Promise<number> {
  const rows = await database.query(
    `delete from ${table} where import_id = $1 and ${column} in (
       select ${column} from ${table} where import_id = $1 limit ${ROWS_DROPPED}
     ) returning 1`,
    [importId]
  )
  return rows.length
}
