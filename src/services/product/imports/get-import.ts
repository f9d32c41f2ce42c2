import type { importOperations } from '#contracts/http/product-imports.ts'
import { Problem } from '#contracts/problems.ts'
import type { Import } from '#contracts/resources/import.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import type { Queryable } from '#platform/postgres/database.ts'
import { type ImportRow, importOf } from './import.ts'

/** Says how far an import is. */
export function getImport({ database }: Reading, { params }: Input<typeof importOperations.getImport>): Promise<Import> {
  return readImport(database, params.importId)
}

/** Reads an import. Throws `not-found`, also while its file is still coming. */
export async function readImport(database: Queryable, importId: string): Promise<Import> {
  const [row] = await database.query<ImportRow>(`select * from imports where import_id = $1 and status <> 'uploading'`, [importId])
  if (!row) throw new Problem('not-found')
  return importOf(row)
}
