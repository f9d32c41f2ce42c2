import type { auditOperations } from '#contracts/http/product-audit.ts'
import { auditRows, readAuditChain } from '#platform/audit/audit-records.ts'
import type { Download, Input, Reading } from '#platform/http/handlers.ts'

/** The same as a spreadsheet. */
export async function exportAuditRecordsAsCsv(
  { database }: Reading,
  { query }: Input<typeof auditOperations.exportAuditRecordsAsCsv>
): Promise<Download> {
  return { filename: 'audit-records.csv', chunks: auditRows(readAuditChain(database, query)) }
}
