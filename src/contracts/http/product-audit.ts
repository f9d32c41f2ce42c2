/** What auditors ask: who did what. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import { AuditRecord, AuditRecordList, auditFilter } from '../resources/audit-record.ts'
import { closed, page } from '../resources/primitives.ts'

const stock =
  'Stock is held and moved without records here: GET /v1/inventory/ledger has an entry with its actor for every change of a counter.'

const chain = 'Oldest first, in the order of the chain; what is not sealed yet, of about the last second, is left out.'

export const auditOperations = {
  listAuditRecords: {
    method: 'GET',
    path: '/v1/audit-records',
    tag: 'Audit',
    summary: 'List changes and refused attempts, newest first',
    description: `Every change that was asked for, and every attempt that was refused to somebody who is known. ${stock}`,
    scope: 'audit:read',
    query: Type.Object({ ...page, ...auditFilter }, closed),
    reply: { status: 200, body: AuditRecordList, description: 'A page of the audit log' },
    problems: ['invalid-cursor']
  },
  exportAuditRecords: {
    method: 'GET',
    path: '/v1/exports/audit-records.ndjson',
    tag: 'Audit',
    summary: 'Take audit records out, one JSON object a line',
    description: `${chain} ${stock}`,
    scope: 'audit:read',
    query: Type.Object(auditFilter, closed),
    reply: { status: 200, mediaType: 'application/x-ndjson', body: AuditRecord, description: 'The records' }
  },
  exportAuditRecordsAsCsv: {
    method: 'GET',
    path: '/v1/exports/audit-records.csv',
    tag: 'Audit',
    summary: 'Take audit records out, as a spreadsheet',
    description: `${chain} No cell is taken for a formula. ${stock}`,
    scope: 'audit:read',
    query: Type.Object(auditFilter, closed),
    reply: { status: 200, mediaType: 'text/csv', description: 'The records, a row each' }
  }
} as const satisfies Record<string, Operation>
