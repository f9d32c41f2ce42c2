/** How long records of the audit log wait to be sealed: read when somebody asks for metrics. */
import type { Database } from '../postgres/database.ts'
import { gaugeRead } from '../telemetry.ts'

const read = `select coalesce(extract(epoch from clock_timestamp() - (
    select r.at from audit_records r where r.seq = (select min(seq) from audit_unsealed)
  )), 0)::float8 as age`

const watched = new Map<string, Database>()

gaugeRead(
  'audit_unsealed_oldest_seconds',
  'Age of the oldest record of the audit log that is not in its chain',
  ['service'],
  async () => {
    const ages = await Promise.all(
      [...watched].map(async ([service, database]) => {
        const rows = await database.query<{ age: number }>(read).catch(() => [])
        return rows.map(({ age }) => ({ labels: { service }, value: age }))
      })
    )
    return ages.flat()
  }
)

/** Shows it in /metrics until disposed. */
export function watchAudit(service: string, database: Database): Disposable {
  watched.set(service, database)
  return { [Symbol.dispose]: () => watched.delete(service) }
}
