/** Deleting what the audit log need not keep any longer: from its oldest end only, signed, and recorded in what remains. */

import type { Database } from '../postgres/database.ts'
import type { Sign } from '../signing/signing.ts'
import { type Audited, recordOutcomes } from './audit.ts'
import type { Link } from './audit-chain.ts'
import { insertCheckpoint, signCheckpoint } from './audit-checkpoint.ts'

/** Sealed records deleted in one transaction. */
const BATCH = 10_000

/**
 * Deletes the sealed records from before a time, and says how many. `admin` is to whom the audit log belongs: the service may not. The newest
 * record always stays, for the chain to go on from.
 */
export async function pruneAuditLog(options: {
  service: string
  admin: Database
  sign: Sign
  before: Date
  audited: Audited
}): Promise<{ deleted: number; origin: Link | undefined }> {
  const { service, admin, sign, before, audited } = options
  let deleted = 0
  let origin: Link | undefined
  for (;;) {
    const batch = await admin.transact(async tx => {
      const [last] = await tx.query<Link & { count: number }>(
        `with oldest as (
           select s.position, s.hash, r.at from audit_seals s join audit_records r using (seq) order by s.position limit ${BATCH}
         ), kept as (
           select min(position) as position from oldest where at >= $1
         )
         select o.position, o.hash, (select count(*) from oldest where position <= o.position) as count from oldest o, kept
         where (kept.position is null or o.position < kept.position) and o.position < (select max(position) from audit_seals)
         order by o.position desc limit 1`,
        [before.toISOString()]
      )
      if (!last) return undefined
      await insertCheckpoint(tx, await signCheckpoint(service, sign, 'origin', last))
      await tx.query(`select set_config('audit.retention', 'on', true)`)
      await tx.query('delete from audit_records where seq in (select seq from audit_seals where position <= $1)', [last.position])
      await tx.query('delete from audit_seals where position <= $1', [last.position])
      await tx.query(`delete from audit_checkpoints where position < $1`, [last.position])
      const result = { before: before.toISOString(), deleted: last.count, upToPosition: last.position }
      recordOutcomes(tx, [{ audited, result }])
      return last
    })
    if (!batch) return { deleted, origin }
    deleted += batch.count
    origin = { position: batch.position, hash: batch.hash }
  }
}
