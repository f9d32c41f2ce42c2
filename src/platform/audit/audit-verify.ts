/** Whether the audit log is what was written: every record, in its order, up to where signed checkpoints say that it once came. */

import type { Database, Queryable, Transaction } from '../postgres/database.ts'
import { genesisOf, type Link, linkAfter, nameOf, recordColumns, type StoredRecord } from './audit-chain.ts'
import { type CheckpointRow, signatureOf, statementOf } from './audit-checkpoint.ts'

/** One thing that is not as it was, and where. */
export type AuditFault = { position: number | null; detail: string }

export type Verdict = {
  faults: AuditFault[]
  /** Sealed records that are there, and records that wait to be sealed. */
  sealed: number
  unsealed: number
  /** Where the chain begins and ends; the same where it is empty. */
  origin: Link
  head: Link
  checkpoints: number
  /** What could not be told: signatures of keys that nobody has any more. */
  notes: string[]
}

/** As many faults as are told: where much is broken, the first ones say it. */
const FAULTS_MAX = 50
const PAGE = 1000
const CHECKPOINTS_MAX = 10_000

/** Reads everything as it is at one moment. `expected` is where the chain once stood, as somebody kept it elsewhere. */
export function verifyAuditLog(database: Database, service: string, expected?: Link): Promise<Verdict> {
  return database.transact(async tx => {
    await tx.query('set transaction isolation level repeatable read, read only')
    const faults: AuditFault[] = []
    const tell = (position: number | null, detail: string) => {
      if (faults.length < FAULTS_MAX) faults.push({ position, detail })
    }
    const checkpoints = await readCheckpoints(tx)
    const keys = await readKeys(tx)
    const notes: string[] = []
    const stated = checkpoints.flatMap(row => {
      const statement = statementOf(service, row)
      const signed = statement ? signatureOf(row, keys) : 'invalid'
      if (signed === 'invalid') tell(row.position, `checkpoint ${row.checkpoint_id} was not signed by ${service}`)
      if (signed === 'unknown-key') notes.push(`checkpoint ${row.checkpoint_id} is signed by a key that is forgotten`)
      return statement && signed !== 'invalid' ? [statement] : []
    })
    const origin = stated.findLast(({ kind }) => kind === 'origin')?.link ?? genesisOf(service)
    const wanted = [...stated.map(({ link }) => link), ...(expected ? [expected] : [])].filter(
      ({ position }) => position >= origin.position
    )
    const { head, sealed } = await walk(tx, origin, wanted, tell)
    for (const link of wanted)
      if (link.position > head.position)
        tell(link.position, `the chain ends at position ${head.position}, and once came to ${nameOf(link)}`)
    if (expected && expected.position < origin.position) notes.push('what you expect lies before what is kept')
    if (sealed > 0 && !stated.some(({ kind }) => kind === 'sealed'))
      tell(head.position, 'there is no checkpoint that states where it ends')
    const unsealed = await checkUnsealed(tx, tell)
    return { faults, sealed, unsealed, origin, head, checkpoints: stated.length, notes }
  })
}

type Tell = (position: number | null, detail: string) => void

/** The newest ones, oldest first, and where what is kept begins. */
async function readCheckpoints(tx: Transaction): Promise<CheckpointRow[]> {
  const rows = await tx.query<CheckpointRow>(
    `select * from audit_checkpoints where checkpoint_id in (
       (select checkpoint_id from audit_checkpoints order by checkpoint_id desc limit ${CHECKPOINTS_MAX})
       union (select checkpoint_id from audit_checkpoints where kind = 'origin' order by checkpoint_id desc limit 1)
     ) order by checkpoint_id`
  )
  return rows
}

async function readKeys(database: Queryable): Promise<Map<string, string>> {
  const rows = await database.query<{ kid: string; public_key: string }>('select kid, public_key from signing_keys')
  return new Map(rows.map(row => [row.kid, row.public_key]))
}

type SealRow = { position: number; sealed_seq: number; hash: Buffer } & (StoredRecord | { seq: null })

/** Makes every link anew; after one that differs it goes on from what is stored, so that each fault is told where it is. */
async function walk(tx: Transaction, origin: Link, wanted: readonly Link[], tell: Tell): Promise<{ head: Link; sealed: number }> {
  const stated = Map.groupBy(wanted, ({ position }) => position)
  let previous = origin
  let sealed = 0
  for (;;) {
    const rows = await tx.query<SealRow>(
      `select s.position, s.seq as sealed_seq, s.hash, ${recordColumns} from audit_seals s left join audit_records r on r.seq = s.seq
       where s.position > $1 order by s.position limit ${PAGE}`,
      [previous.position]
    )
    for (const row of rows) {
      const { position, hash } = row
      const next = previous.position + 1
      if (position !== next)
        tell(next, `${position === next + 1 ? `position ${next} is` : `positions ${next} to ${position - 1} are`} missing`)
      else if (row.seq === null) tell(position, `record ${row.sealed_seq} was deleted`)
      else if (!linkAfter(previous, row).hash.equals(hash))
        tell(position, `record ${row.seq} is not what was sealed here: it, its place or the seal before it was changed`)
      for (const link of stated.get(position) ?? [])
        if (!link.hash.equals(hash)) tell(position, `the chain has another hash here than ${nameOf(link)}, which was stated once`)
      previous = { position, hash }
      sealed++
    }
    if (rows.length < PAGE) return { head: previous, sealed }
  }
}

/** What is not in the chain must be waiting for it, and what waits must be there. */
async function checkUnsealed(tx: Transaction, tell: Tell): Promise<number> {
  const loose = await tx.query<{ seq: number }>(
    `select r.seq from audit_records r where not exists (select from audit_seals s where s.seq = r.seq)
       and not exists (select from audit_unsealed u where u.seq = r.seq) order by r.seq limit ${FAULTS_MAX}`
  )
  for (const { seq } of loose) tell(null, `record ${seq} is not in the chain, and does not wait for it`)
  const gone = await tx.query<{ seq: number }>(
    `select u.seq from audit_unsealed u where not exists (select from audit_records r where r.seq = u.seq) order by u.seq limit ${FAULTS_MAX}`
  )
  for (const { seq } of gone) tell(null, `record ${seq} was deleted before it was sealed`)
  const [row] = await tx.query<{ count: number }>('select count(*) as count from audit_unsealed')
  return row!.count
}
