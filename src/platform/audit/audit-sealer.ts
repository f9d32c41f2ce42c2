/**
 * Puts the records of the audit log into a chain, one process at a time, behind the writers' backs: in the order in which it finds them
 * committed. Where the chain stands is signed as it grows.
 */

import { failpoint } from '../failpoint.ts'
import type { Log } from '../log.ts'
import { bigints, texts } from '../postgres/arrays.ts'
import type { Database, Queryable, Session, Transaction } from '../postgres/database.ts'
import { exclusively, pause } from '../postgres/exclusive.ts'
import type { Sign } from '../signing/signing.ts'
import { genesisOf, type Link, linkAfter, nameOf, recordColumns, type StoredRecord } from './audit-chain.ts'
import { insertCheckpoint, signCheckpoint } from './audit-checkpoint.ts'

const BATCH = 500
const POLL_MS = 1000
/** While the chain grows: what is cut off sooner after it was sealed, nothing here tells of. */
const CHECKPOINT_MS = 10_000
/** While it does not: so that the last one is of a key that is still known. */
const CHECKPOINT_AGAIN_MS = 86_400_000

export function startSealer(options: {
  service: string
  database: Database
  sign: Sign
  log: Log
  pollMs?: number
  checkpointMs?: number
}): AsyncDisposable {
  const { service, database, sign, log, pollMs = POLL_MS, checkpointMs = CHECKPOINT_MS } = options

  return exclusively(
    database,
    'audit',
    async (session, signal) => {
      let statedAt = Number.NEGATIVE_INFINITY
      let stated = -1
      while (!signal.aborted) {
        const { sealed, head } = await session.transact(async tx => {
          const batch = await sealBatch(tx, service)
          await failpoint('audit.in-seal')
          return batch
        })
        await failpoint('audit.after-seal')
        const age = performance.now() - statedAt
        const isNew = head.position !== stated
        if (head.position > 0 && ((isNew && age >= checkpointMs) || age >= CHECKPOINT_AGAIN_MS)) {
          await state(session, head)
          statedAt = performance.now()
          stated = head.position
        }
        if (sealed < BATCH) await pause(pollMs, signal)
      }
    },
    log
  )

  async function state(session: Session, head: Link): Promise<void> {
    await insertCheckpoint(session, await signCheckpoint(service, sign, 'sealed', head))
    log.info({ unit: 'audit', checkpoint: nameOf(head) }, 'the audit log is sealed')
  }
}

/** The first records that no one has sealed, whatever their numbers: what commits late comes late. */
const take = `with first as (
    select u.seq from audit_unsealed u where exists (select from audit_records r where r.seq = u.seq) order by u.seq limit ${BATCH}
  ), taken as (
    delete from audit_unsealed where seq in (select seq from first) returning seq
  )
  select ${recordColumns} from audit_records r where r.seq in (select seq from taken) order by r.seq`

async function sealBatch(tx: Transaction, service: string): Promise<{ sealed: number; head: Link }> {
  const [previous, records] = await Promise.all([readHead(tx, service), tx.query<StoredRecord>(take)])
  let head = previous
  const links = records.map(record => {
    head = linkAfter(head, record)
    return head
  })
  if (links.length > 0) {
    await tx.query(
      `insert into audit_seals (position, seq, hash)
       select position, seq, decode(hash, 'hex') from unnest($1::bigint[], $2::bigint[], $3::text[]) as s (position, seq, hash)`,
      [
        bigints(links.map(({ position }) => position)),
        bigints(records.map(({ seq }) => seq)),
        texts(links.map(({ hash }) => hash.toString('hex')))
      ]
    )
  }
  return { sealed: links.length, head }
}

/** The last link. Deleting what is old leaves it. */
export async function readHead(database: Queryable, service: string): Promise<Link> {
  const [head] = await database.query<Link>('select position, hash from audit_seals order by position desc limit 1')
  return head ?? genesisOf(service)
}
