import type { Static } from 'typebox'
import type { importOperations } from '#contracts/http/product-imports.ts'
import type { ImportList } from '#contracts/resources/import.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { type ImportRow, importOf } from './import.ts'

/** Lists imports, latest first. */
export function listImports(
  { database, cursors }: Reading,
  { query }: Input<typeof importOperations.listImports>
): Promise<Static<typeof ImportList>> {
  return page(
    cursors,
    'listImports',
    query,
    async (after, limit) => {
      const rows = await database.query<ImportRow>(
        `select * from imports
         where ($1::uuid is null or import_id < $1) and status <> 'uploading' and ($2::text is null or status = $2)
         order by import_id desc limit $3`,
        [after?.[0] ?? null, query.status ?? null, limit]
      )
      return rows.map(importOf)
    },
    each => [each.importId]
  )
}
