import type { importOperations } from '#contracts/http/product-imports.ts'
import type { Import } from '#contracts/resources/import.ts'
import type { Input, Reading, Upload, Uploaded } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Database } from '#platform/postgres/database.ts'
import { START } from '#platform/text/records.ts'
import { type ImportRow, importOf } from './import.ts'
import { dropSpool, spoolFile } from './spool.ts'

/** Keeps a file as it comes, in short transactions; it waits for its turn once it is whole. */
export async function createImport(
  { database }: Reading,
  { query, actor, traceparent }: Input<typeof importOperations.createImport>,
  { mediaType, chunks }: Upload
): Promise<Uploaded<Import>> {
  const importId = newId()
  const { currency = null, dryRun = false } = query
  await database.query(
    `insert into imports (import_id, status, media_type, currency, dry_run, actor, traceparent, place, created_at, updated_at)
     values ($1, 'uploading', $2, $3, $4, $5, $6, $7, now(), now())`,
    [importId, mediaType, currency, dryRun, actor.subject, traceparent ?? null, JSON.stringify(START)]
  )
  const discard = () => discardUpload(database, importId)
  let bytes: number
  try {
    bytes = await spoolFile(database, importId, chunks)
  } catch (error) {
    // What is left behind all the same is swept.
    await discard().catch(() => {})
    throw error
  }
  return {
    async commit(tx) {
      const [row] = await tx.query<ImportRow>(
        `update imports set status = 'pending', bytes = $2, updated_at = now() where import_id = $1 and status = 'uploading' returning *`,
        [importId, bytes]
      )
      if (!row) throw new Error(`the file of ${importId} was swept before it was whole`)
      return importOf(row)
    },
    discard
  }
}

async function discardUpload(database: Database, importId: string): Promise<void> {
  while ((await dropSpool(database, importId)) > 0);
  await database.query(`delete from imports where import_id = $1 and status = 'uploading'`, [importId])
}
