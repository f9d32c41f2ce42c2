import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { auditedThing } from '../../../test/support/audit.ts'
import { openMessaging, quiet, service } from '../../../test/support/messaging.ts'
import type { Database } from '../postgres/database.ts'
import { auditedRefusals } from '../telemetry.ts'
import { NOTHING } from './audit.ts'
import { openRefusals } from './audit-refusals.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())

const refusalOf = (thingId: string) => ({
  ...auditedThing(thingId),
  outcome: 'refused' as const,
  status: 403,
  code: 'insufficient-scope',
  resource: { type: 'thing', id: thingId },
  change: NOTHING
})
const count = async (thingId: string) =>
  (await database.query<{ count: number }>('select count(*) as count from audit_records where resource_id = $1', [thingId]))[0]!
    .count
const figure = async (outcome: string) =>
  (await auditedRefusals.get()).values.find(({ labels }) => labels.service === service.name && labels.outcome === outcome)?.value ??
  0

test('what waits is written when the process stops', async () => {
  {
    await using refusals = openRefusals({ service: service.name, database, log: quiet, intervalMs: 60_000 })
    for (let n = 0; n < 700; n++) refusals.add(refusalOf('stopping'))
  }
  assert.equal(await count('stopping'), 700)
})

test('what is too much is lost and counted, and holds up nobody', async () => {
  const before = await figure('lost')
  {
    await using refusals = openRefusals({ service: service.name, database, log: quiet, waitingMax: 10, intervalMs: 60_000 })
    for (let n = 0; n < 25; n++) refusals.add(refusalOf('flood'))
    assert.equal((await figure('lost')) - before, 15)
  }
  assert.equal(await count('flood'), 10)
})

test('what a database that is away did not take is written when it is back', async () => {
  const asked = Promise.withResolvers<void>()
  let away = true
  const flaky = {
    query: (sql: string, values: readonly unknown[]) => {
      if (!away) return database.query(sql, values)
      asked.resolve()
      return Promise.reject(new Error('away'))
    }
  } as unknown as Database
  {
    await using refusals = openRefusals({ service: service.name, database: flaky, log: quiet, intervalMs: 5 })
    refusals.add(refusalOf('away'))
    await asked.promise
    away = false
  }
  assert.equal(await count('away'), 1)
})
