/** An import, as it is kept and as it is told. */
import type { Import } from '#contracts/resources/import.ts'
import type { Row } from '#platform/postgres/database.ts'
import type { Place } from '#platform/text/records.ts'
import { formatOfColumns } from './spreadsheets/product-csv.ts'

export type ImportRow = Row & {
  import_id: string
  status: 'uploading' | Import['status']
  media_type: string
  currency: string | null
  dry_run: boolean
  actor: string
  traceparent: string | null
  bytes: number
  bytes_done: number
  place: Place
  rows: number
  created: number
  updated: number
  unchanged: number
  failed: number
  errors: number
  reason_code: string | null
  reason_detail: string | null
  version: number
  created_at: string
  started_at: string | null
  completed_at: string | null
  updated_at: string
}

/** An import as its row has it. One that is still being sent is nobody's business yet. */
export function importOf(row: ImportRow): Import {
  return {
    importId: row.import_id,
    status: row.status as Import['status'],
    mediaType: row.media_type,
    format: formatOf(row.media_type, row.place.header),
    currency: row.currency,
    dryRun: row.dry_run,
    rows: row.rows,
    created: row.created,
    updated: row.updated,
    unchanged: row.unchanged,
    failed: row.failed,
    errorsUrl: errorsUrlOf(row),
    reason: row.reason_code === null ? null : { code: row.reason_code, detail: row.reason_detail ?? '' },
    bytes: row.bytes,
    bytesDone: row.bytes_done,
    version: row.version,
    createdAt: row.created_at,
    startedAt: row.started_at,
    completedAt: row.completed_at,
    updatedAt: row.updated_at
  }
}

/** Where its errors can be read, if it has any. */
export function errorsUrlOf({ import_id, errors }: Pick<ImportRow, 'import_id' | 'errors'>): string | null {
  return errors === 0 ? null : `/v1/imports/${import_id}/errors`
}

const ended: readonly ImportRow['status'][] = ['completed', 'failed', 'cancelled']

/** Whether nothing more will become of it. */
export function isEnded({ status }: Pick<ImportRow, 'status'>): boolean {
  return ended.includes(status)
}

/** What kind of file it is, as far as is known: of a spreadsheet the first batch of products tells. */
function formatOf(mediaType: string, header: Place['header']): string {
  if (mediaType === 'application/x-ndjson') return 'ndjson'
  return (header && formatOfColumns(header.columns)) ?? 'csv'
}
