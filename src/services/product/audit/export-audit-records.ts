import type { auditOperations } from '#contracts/http/product-audit.ts'
import { auditLines, readAuditChain } from '#platform/audit/audit-records.ts'
import type { Download, Input, Reading } from '#platform/http/handlers.ts'

/** The chain, or what of it is asked for, as NDJSON. */
export async function exportAuditRecords(
  { database }: Reading,
  { query }: Input<typeof auditOperations.exportAuditRecords>
): Promise<Download> {
  return { filename: 'audit-records.ndjson', chunks: auditLines(readAuditChain(database, query)) }
}
