/** What is wrong with the products of an import, in the order of the file. */
import type { ImportError } from '#contracts/resources/import.ts'
import type { Queryable, Transaction } from '#platform/postgres/database.ts'
import type { RecordError } from './plan-batch.ts'

const DETAIL_MAX = 2000
const POINTER_MAX = 1000

/** Keeps errors behind those that there are already; they are counted afterwards. */
export function storeErrors(tx: Transaction, importId: string, errors: readonly RecordError[]): void {
  if (errors.length === 0) return
  tx.send(
    `insert into import_errors (import_id, number, line, pointer, code, detail)
     select $1::uuid, (select i.errors from imports i where i.import_id = $1) + e.place, e.line, e.pointer, e.code, e.detail
     from unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) with ordinality as e (line, pointer, code, detail, place)`,
    [
      importId,
      errors.map(error => error.line),
      errors.map(error => error.pointer.slice(0, POINTER_MAX).toWellFormed()),
      errors.map(error => error.code),
      errors.map(error => storable(error.detail))
    ]
  )
}

/** Words may quote what a file has: characters that no text of PostgreSQL's may have, and more of them than anybody reads. */
function storable(detail: string): string {
  return detail.slice(0, DETAIL_MAX).toWellFormed().replaceAll('\u0000', '\ufffd')
}

const PAGE = 1000

/** Reads errors a page at a time, while they are sent. */
export async function* readErrors(database: Queryable, importId: string): AsyncGenerator<ImportError[], void, undefined> {
  let after = 0
  for (;;) {
    const rows = await database.query<ImportError & { number: number }>(
      `select number, line, pointer, code, detail from import_errors where import_id = $1 and number > $2 order by number limit ${PAGE}`,
      [importId, after]
    )
    if (rows.length === 0) return
    after = rows.at(-1)!.number
    yield rows.map(({ line, pointer, code, detail }) => ({ line, pointer, code, detail }))
  }
}
