import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { changeAudited, sealed, startTestedSealer } from '../../../test/support/audit.ts'
import { openMessaging, service } from '../../../test/support/messaging.ts'
import type { Queryable } from '../postgres/database.ts'
import { openSealing } from '../signing/sealing.ts'
import { openSigner } from '../signing/signing.ts'
import { type Link, nameOf } from './audit-chain.ts'
import { auditedCommand } from './audit-command.ts'
import { pruneAuditLog } from './audit-retention.ts'
import { type AuditFault, verifyAuditLog } from './audit-verify.ts'

const tested = await openMessaging()
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())

before(async () => {
  for (let n = 0; n < 12; n++) await database.transact(tx => changeAudited(tx, `thing-${n % 3}`))
  // Only now, so that all are sealed at once and there is one checkpoint, which is where they end.
  await using _ = startTestedSealer(database)
  await sealed(database)
})

class Undone extends Error {}

/** What verify says when somebody who may do everything has changed something, which is undone at the end. */
async function faultsAfter(tamper: (tx: Queryable) => Promise<unknown>, expected?: Link): Promise<AuditFault[]> {
  let faults: AuditFault[] = []
  const work = admin.transact(async tx => {
    for (const table of ['audit_records', 'audit_seals', 'audit_checkpoints'])
      await tx.query(`alter table ${table} disable trigger append_only`)
    await tamper(tx)
    const inside = { transact: (look: (tx: unknown) => unknown) => look(within(tx)) } as unknown as typeof database
    faults = (await verifyAuditLog(inside, service.name, expected)).faults
    throw new Undone()
  })
  await assert.rejects(work, Undone)
  return faults
}

/** Verifies in the transaction that has changed something: it cannot choose how it sees things any more. */
function within(tx: Queryable): Queryable {
  return { query: (sql, values) => (sql.startsWith('set transaction') ? Promise.resolve([]) : tx.query(sql, values)) }
}

const positions = (faults: readonly AuditFault[]) => faults.map(({ position }) => position)
const seqAt = (position: number) => `(select seq from audit_seals where position = ${position})`

test('an audit log that nobody has touched is whole', async () => {
  const verdict = await verifyAuditLog(database, service.name)
  assert.deepEqual([verdict.faults, verdict.sealed, verdict.head.position, verdict.notes], [[], 12, 12, []])
})

const columns = ['operation', 'resource_id', 'issuer', 'subject', 'client_id', 'ip', 'after']
for (const column of columns) {
  test(`one character changed in ${column} is found where it is`, async () => {
    const faults = await faultsAfter(tx =>
      tx.query(`update audit_records set ${column} = overlay(${column} placing '#' from 1 for 1) where seq = ${seqAt(5)}`)
    )
    assert.deepEqual(positions(faults), [5])
    assert.match(faults[0]!.detail, /is not what was sealed/)
  })
}

test('a time changed by a microsecond is found where it is', async () => {
  const faults = await faultsAfter(tx =>
    tx.query(`update audit_records set at = at + interval '1 microsecond' where seq = ${seqAt(7)}`)
  )
  assert.deepEqual(positions(faults), [7])
})

test('one bit flipped in a hash is found where it is, and breaks what follows it', async () => {
  const faults = await faultsAfter(tx =>
    tx.query('update audit_seals set hash = set_bit(hash, 9, 1 - get_bit(hash, 9)) where position = 4')
  )
  assert.deepEqual(new Set(positions(faults)), new Set([4, 5]))
})

test('a deleted record is found where it was', async () => {
  const faults = await faultsAfter(tx => tx.query(`delete from audit_records where seq = ${seqAt(6)}`))
  assert.deepEqual(positions(faults), [6])
  assert.match(faults[0]!.detail, /was deleted/)
})

test('a record deleted with its place in the chain is found', async () => {
  const faults = await faultsAfter(async tx => {
    await tx.query(`delete from audit_records where seq = ${seqAt(6)}`)
    await tx.query('delete from audit_seals where position = 6')
  })
  assert.equal(positions(faults)[0], 6)
  assert.match(faults[0]!.detail, /position 6 is missing/)
})

test('a place in the chain deleted alone is found, and the record that is loose', async () => {
  const faults = await faultsAfter(tx => tx.query('delete from audit_seals where position = 6'))
  assert.ok(faults.some(({ detail }) => /is not in the chain, and does not wait/.test(detail)))
})

test('two records that have changed places are found', async () => {
  const faults = await faultsAfter(async tx => {
    const [eight, nine] = await tx.query<{ seq: number }>('select seq from audit_seals where position in (8, 9) order by position')
    await tx.query('update audit_seals set seq = -1 where position = 8')
    await tx.query('update audit_seals set seq = $1 where position = 9', [eight!.seq])
    await tx.query('update audit_seals set seq = $1 where position = 8', [nine!.seq])
  })
  assert.deepEqual(positions(faults), [8, 9])
})

test('an end that was cut off contradicts the checkpoint', async () => {
  const faults = await faultsAfter(async tx => {
    await tx.query('delete from audit_records where seq in (select seq from audit_seals where position > 10)')
    await tx.query('delete from audit_seals where position > 10')
  })
  assert.deepEqual(positions(faults), [12])
  assert.match(faults[0]!.detail, /the chain ends at position 10, and once came to 12:/)
})

test('an end that was cut off with its checkpoints is found by who kept where it stood', async () => {
  const { head } = await verifyAuditLog(database, service.name)
  const faults = await faultsAfter(async tx => {
    await tx.query('delete from audit_checkpoints where position > 10')
    await tx.query('delete from audit_records where seq in (select seq from audit_seals where position > 10)')
    await tx.query('delete from audit_seals where position > 10')
  }, head)
  assert.ok(faults.some(({ detail }) => detail.includes(nameOf(head))))
})

test('a beginning that was cut off without the retention command is found', async () => {
  const faults = await faultsAfter(async tx => {
    await tx.query('delete from audit_records where seq in (select seq from audit_seals where position <= 3)')
    await tx.query('delete from audit_seals where position <= 3')
  })
  assert.match(faults[0]!.detail, /positions 1 to 3 are missing/)
})

test('a statement that was changed, or signed by another key, is found', async () => {
  const changed = await faultsAfter(tx =>
    tx.query(`update audit_checkpoints set statement = replace(statement, '"kind":"sealed"', '"kind": "sealed"')`)
  )
  assert.match(changed[0]!.detail, /was not signed by tested/)
  const forged = await faultsAfter(tx =>
    tx.query(
      `insert into audit_checkpoints (kind, position, statement, signature)
       select 'origin', 3, replace(replace(statement, 'sealed', 'origin'), '12:', '3:'), signature from audit_checkpoints order by 1 desc limit 1`
    )
  )
  assert.ok(forged.some(({ detail }) => /was not signed by tested/.test(detail)))
})

test('the service that writes the audit log cannot change it, nor what refuses that', async () => {
  for (const table of ['audit_records', 'audit_seals', 'audit_checkpoints'])
    for (const statement of [
      `update ${table} set ${table === 'audit_records' ? "subject = 'nobody'" : 'position = 1'}`,
      `delete from ${table}`,
      `truncate ${table}`,
      `alter table ${table} disable trigger append_only`,
      `drop trigger append_only on ${table}`,
      `alter table ${table} owner to current_user`
    ])
      await assert.rejects(database.query(statement), { code: '42501' }, statement)
})

test('its administrator does not change it by mistake either', async () => {
  await assert.rejects(admin.query(`update audit_records set subject = 'nobody'`), /append-only/)
  await assert.rejects(admin.query('delete from audit_records'), /append-only/)
  await assert.rejects(admin.query('truncate audit_records'), /append-only/)
})

test('what is past its retention is deleted by the command alone, and what remains is whole and says so', async () => {
  const before = new Date()
  {
    await using _ = startTestedSealer(database)
    await database.transact(tx => changeAudited(tx, 'thing-new'))
    await sealed(database)
  }
  const { deleted, origin } = await pruneAuditLog({
    service: service.name,
    admin,
    sign: openSigner({ database, sealing: openSealing(undefined) }),
    before,
    audited: auditedCommand('audit prune', { type: 'audit-log', id: service.name })
  })
  assert.deepEqual([deleted, origin?.position], [12, 12])
  await using _ = startTestedSealer(database)
  await sealed(database)
  const verdict = await verifyAuditLog(database, service.name)
  assert.deepEqual([verdict.faults, verdict.origin.position, verdict.sealed], [[], 12, 2])
  const [record] = await database.query<{ operation: string; issuer: string; after: string }>(
    'select operation, issuer, after from audit_records order by seq desc limit 1'
  )
  assert.deepEqual([record!.operation, record!.issuer, JSON.parse(record!.after).deleted], ['audit prune', 'command', 12])
})
