import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { auditedThing, changeAudited, sealed, startTestedSealer } from '../../../test/support/audit.ts'
import { openMessaging, service, startPart } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Failpoint } from '../failpoint.ts'
import { recordOutcomes } from './audit.ts'
import { verifyAuditLog } from './audit-verify.ts'

const tested = await openMessaging({ poolSize: 32 })
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())

/** Each test has the log to itself. */
beforeEach(async () => {
  await admin.transact(async tx => {
    for (const table of ['audit_records', 'audit_seals', 'audit_checkpoints'])
      await tx.query(`alter table ${table} disable trigger append_only`)
    await tx.query('truncate audit_records, audit_unsealed, audit_seals, audit_checkpoints, things, changes')
    for (const table of ['audit_records', 'audit_seals', 'audit_checkpoints'])
      await tx.query(`alter table ${table} enable trigger append_only`)
  })
})

const sealedCount = async () => (await database.query<{ count: number }>('select count(*) as count from audit_seals'))[0]!.count

/** One record for each change and no other, all of them in one chain without a gap. */
async function assertWhole(): Promise<number> {
  await sealed(database)
  const changes = await database.query("select thing_id || ' ' || n as change from changes order by 1")
  const records = await database.query(
    `select resource_id || ' ' || (after::jsonb ->> 'n') as change from audit_records order by 1`
  )
  assert.deepEqual(records, changes)
  const verdict = await verifyAuditLog(database, service.name)
  assert.deepEqual(verdict.faults, [])
  assert.deepEqual([verdict.sealed, verdict.head.position, verdict.unsealed], [changes.length, changes.length, 0])
  return changes.length
}

/** Changes things until disposed; some transactions are slow, some are rolled back. */
function startWriters(count: number): AsyncDisposable {
  let over = false
  const write = async () => {
    while (!over) {
      const work = database.transact(async tx => {
        await changeAudited(tx, `thing-${Math.floor(Math.random() * 40)}`)
        const chance = Math.random()
        if (chance < 0.2) await tx.query('select pg_sleep($1)', [chance / 10])
        if (chance > 0.85) throw new Error('rolled back')
      })
      await work.catch(error => assert.match(error.message, /rolled back/))
    }
  }
  const writing = Promise.all(Array.from({ length: count }, write))
  return {
    async [Symbol.asyncDispose]() {
      over = true
      await writing
    }
  }
}

test('many writers, slow ones and those that roll back, leave one chain with a record for each change', async () => {
  await using _ = startTestedSealer(database)
  await using __ = startTestedSealer(database)
  {
    await using ___ = startWriters(24)
    await eventually(sealedCount, count => count > 500, 120_000)
  }
  await assertWhole()
})

for (const place of ['audit.in-seal', 'audit.after-seal'] satisfies Failpoint[]) {
  test(`sealers that are killed at ${place} leave the chain whole, and the next one goes on`, async () => {
    {
      await using __ = startWriters(3)
      for (let kills = 0; kills < 3; kills++) {
        await using sealer = startPart('seal', tested.url, `${place}=kill@${2 + kills}`)
        await sealer.ended
        const { faults } = await verifyAuditLog(database, service.name)
        assert.deepEqual(
          faults.filter(({ detail }) => detail !== 'there is no checkpoint that states where it ends'),
          []
        )
      }
    }
    await using _ = startTestedSealer(database)
    assert.ok((await assertWhole()) > 20)
  })
}

test('a record that commits late is sealed late, and holds back no other', async () => {
  await using _ = startTestedSealer(database)
  const finish = Promise.withResolvers<void>()
  const late = database.transact(async tx => {
    recordOutcomes(tx, [{ audited: auditedThing('late'), result: { n: 1 } }])
    await tx.query('select 1')
    await finish.promise
  })
  await eventually(
    () => admin.query<{ count: number }>(`select count(*) as count from pg_stat_activity where state = 'idle in transaction'`),
    ([row]) => row!.count > 0
  )
  for (const thingId of ['a', 'b', 'c'])
    await database.transact(async tx => recordOutcomes(tx, [{ audited: auditedThing(thingId), result: { n: 1 } }]))
  await eventually(sealedCount, count => count === 3)
  finish.resolve()
  await late
  await eventually(sealedCount, count => count === 4)
  const order = await database.query<{ resource_id: string }>(
    'select resource_id from audit_seals join audit_records using (seq) order by position'
  )
  assert.deepEqual(
    order.map(row => row.resource_id),
    ['a', 'b', 'c', 'late']
  )
  assert.deepEqual((await verifyAuditLog(database, service.name)).faults, [])
})
