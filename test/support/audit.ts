/** Records of the audit log for tests: written as the edge does, each about a thing that the same transaction changes. */
import { type Audited, recordOutcomes } from '#platform/audit/audit.ts'
import { startSealer } from '#platform/audit/audit-sealer.ts'
import type { Database, Transaction } from '#platform/postgres/database.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openSigner } from '#platform/signing/signing.ts'
import { quiet, service } from './messaging.ts'
import { eventually } from './world.ts'

export function auditedThing(thingId: string): Audited {
  return {
    operation: 'changeThing',
    doer: { issuer: 'test', subject: 'somebody', clientId: 'shop' },
    ip: '203.0.113.7',
    resourceOf: () => ({ type: 'thing', id: thingId }),
    withheld: new Set()
  }
}

/** Changes a thing once more, and records it. */
export async function changeAudited(tx: Transaction, thingId: string): Promise<void> {
  const [row] = await tx.query<{ n: number }>(
    'insert into things values ($1, 1) on conflict (thing_id) do update set n = things.n + 1 returning n',
    [thingId]
  )
  const { n } = row!
  tx.send('insert into changes values ($1, $2)', [thingId, n])
  recordOutcomes(tx, [{ audited: auditedThing(thingId), result: { n } }])
}

/** A sealer that waits for nothing and states whenever the chain has grown. */
export function startTestedSealer(database: Database): AsyncDisposable {
  const sign = openSigner({ database, sealing: openSealing(undefined) })
  return startSealer({ service: service.name, database, sign, log: quiet, pollMs: 5, checkpointMs: 0 })
}

/** Waits until nothing waits to be sealed, and the end of the chain is stated. */
export async function sealed(database: Database): Promise<void> {
  await eventually(
    () =>
      database.query<{ waiting: boolean; stated: boolean }>(
        `select exists (select from audit_unsealed) as waiting,
           coalesce((select max(position) from audit_seals), 0) = coalesce((select max(position) from audit_checkpoints), 0) as stated`
      ),
    ([row]) => !row!.waiting && row!.stated
  )
}
