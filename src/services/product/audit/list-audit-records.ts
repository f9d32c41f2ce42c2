import type { auditOperations } from '#contracts/http/product-audit.ts'
import { readAuditRecords } from '#platform/audit/audit-records.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'

type Operation = typeof auditOperations.listAuditRecords

/** Who did what, newest first. */
export async function listAuditRecords({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  const { limit: _, cursor: __, ...filter } = query
  return page(
    cursors,
    'listAuditRecords',
    query,
    (after, limit) => readAuditRecords(database, filter, after === null ? undefined : Number(after[0]), limit),
    record => [record.auditRecordId]
  )
}
