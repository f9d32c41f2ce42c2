import type { importOperations } from '#contracts/http/product-imports.ts'
import { Problem } from '#contracts/problems.ts'
import type { Import } from '#contracts/resources/import.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type ImportRow, importOf, isEnded } from './import.ts'

/** Stops an import between two batches of products; what it brought in stays. One that is cancelled already stays as it is. */
export async function cancelImport(
  tx: Transaction,
  { params: { importId }, expected }: Input<typeof importOperations.cancelImport>
): Promise<Import> {
  const [row] = await tx.query<ImportRow>(`select * from imports where import_id = $1 and status <> 'uploading' for update`, [
    importId
  ])
  if (!row) throw new Problem('not-found')
  keepBefore(tx, importOf(row))
  checkVersion(expected, row.version)
  if (row.status === 'cancelled') return importOf(row)
  if (isEnded(row)) throw new Problem('illegal-transition', `The import is ${row.status} already`, { currentStatus: row.status })
  const [cancelled] = await tx.query<ImportRow>(
    `update imports set status = 'cancelled', version = version + 1, completed_at = now(), updated_at = now()
     where import_id = $1 returning *`,
    [importId]
  )
  return importOf(cancelled!)
}
