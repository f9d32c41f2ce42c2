/**
 * Compares what the shop acknowledged to the replay with what its database holds. Deliberately blind to inboxes and outboxes: an event
 * that took effect twice, or not at all, shows in what it did.
 */
import type { AuditDatabase } from './audit-database.ts'
import type { Finding } from './findings.ts'
import type { Played } from './play.ts'

/** `sql` answers rows of (example, lost, twice): one per thing that is not as acknowledged. */
type Check = { what: string; sql: string }

const EXAMPLES = 5

export async function auditEffects(database: AuditDatabase, played: Played): Promise<Finding[]> {
  await database.query(acknowledged, [
    JSON.stringify({ orders: played.orders, products: played.products, returns: played.returns })
  ])
  const findings: Finding[] = []
  for (const { what, sql } of checks) {
    const rows = await database.query<{ example: string; lost: number; twice: number }>(sql)
    if (rows.length === 0) continue
    const sum = (of: 'lost' | 'twice') => rows.reduce((total, row) => total + row[of], 0)
    findings.push({ what, lost: sum('lost'), twice: sum('twice'), examples: rows.slice(0, EXAMPLES).map(row => row.example) })
  }
  return findings
}
