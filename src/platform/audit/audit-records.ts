/** Reading the audit log: pages for those who look something up, and the chain in its order for those who take it out. */
import type { AuditRecord } from '#contracts/resources/audit-record.ts'
import { conditionsOf } from '../postgres/conditions.ts'
import type { Database } from '../postgres/database.ts'
import { toCell, toCsvRow } from '../text/csv-cells.ts'
import { recordColumns, type StoredRecord } from './audit-chain.ts'

export type AuditFilter = {
  actor?: string
  operation?: string
  resourceType?: string
  resourceId?: string
  outcome?: string
  /** Inclusive. */
  from?: string
  /** Exclusive. */
  to?: string
}

const conditions = {
  actor: 'r.subject =',
  operation: 'r.operation =',
  resourceType: 'r.resource_type =',
  resourceId: 'r.resource_id =',
  outcome: 'r.outcome =',
  from: 'r.at >=',
  to: 'r.at <',
  before: 'r.seq <',
  after: 's.position >'
} as const

type SealedRow = StoredRecord & { position: number | null; hash: string | null }

const columns = `${recordColumns}, s.position, encode(s.hash, 'hex') as hash`

/** Records before one, newest first, sealed or not. */
export async function readAuditRecords(
  database: Pick<Database, 'queryAfresh'>,
  filter: AuditFilter,
  before: number | undefined,
  limit: number
): Promise<AuditRecord[]> {
  const { where, values } = conditionsOf(conditions, { ...filter, before })
  const rows = await database.queryAfresh<SealedRow>(
    `select ${columns} from audit_records r left join audit_seals s using (seq) where ${where} order by r.seq desc limit $${values.length + 1}`,
    [...values, limit]
  )
  return rows.map(toAuditRecord)
}

const PAGE = 500

/** Sealed records in the order of the chain, page by page. */
export async function* readAuditChain(
  database: Pick<Database, 'queryAfresh'>,
  filter: AuditFilter
): AsyncGenerator<AuditRecord[], void, undefined> {
  for (let after = 0; ; ) {
    const { where, values } = conditionsOf(conditions, { ...filter, after })
    const rows = await database.queryAfresh<SealedRow>(
      `select ${columns} from audit_seals s join audit_records r using (seq) where ${where} order by s.position limit ${PAGE}`,
      values
    )
    if (rows.length > 0) yield rows.map(toAuditRecord)
    if (rows.length < PAGE) return
    after = rows.at(-1)!.position!
  }
}

/** Their lines as JSON. */
export async function* auditLines(pages: AsyncIterable<AuditRecord[]>): AsyncGenerator<string, void, undefined> {
  for await (const records of pages) yield records.map(record => `${JSON.stringify(record)}\n`).join('')
}

/** Their rows, after a first one that names the columns. */
export async function* auditRows(pages: AsyncIterable<AuditRecord[]>): AsyncGenerator<string, void, undefined> {
  yield toCsvRow(cells.map(([name]) => name))
  for await (const records of pages) yield records.map(record => toCsvRow(cells.map(([, cellOf]) => cellOf(record)))).join('')
}

const text = (value: string | null) => (value === null ? '' : toCell(value))
const json = (value: unknown) => (value === null ? '' : toCell(JSON.stringify(value)))

const cells: readonly (readonly [name: string, cell: (record: AuditRecord) => string])[] = [
  ['position', record => String(record.position ?? '')],
  ['auditRecordId', record => String(record.auditRecordId)],
  ['at', record => record.at],
  ['operation', record => text(record.operation)],
  ['outcome', record => record.outcome],
  ['status', record => String(record.status ?? '')],
  ['code', record => text(record.code)],
  ['resourceType', record => text(record.resourceType)],
  ['resourceId', record => text(record.resourceId)],
  ['issuer', record => text(record.actor.issuer)],
  ['subject', record => text(record.actor.subject)],
  ['clientId', record => text(record.actor.clientId)],
  ['userId', record => text(record.actor.userId)],
  ['act', record => text(record.actor.act)],
  ['ip', record => text(record.ip)],
  ['requestId', record => text(record.requestId)],
  ['traceId', record => text(record.traceId)],
  ['before', record => json(record.before)],
  ['after', record => json(record.after)],
  ['hash', record => record.hash ?? '']
]

function toAuditRecord(row: SealedRow): AuditRecord {
  return {
    auditRecordId: row.seq,
    at: row.at_text,
    operation: row.operation,
    outcome: row.outcome,
    status: row.status,
    code: row.code,
    resourceType: row.resource_type,
    resourceId: row.resource_id,
    actor: { issuer: row.issuer, subject: row.subject, clientId: row.client_id, userId: row.user_id, act: row.act },
    ip: row.ip,
    requestId: row.request_id,
    traceId: row.trace_id,
    before: row.before === null ? null : JSON.parse(row.before),
    after: row.after === null ? null : JSON.parse(row.after),
    position: row.position,
    hash: row.hash
  }
}
