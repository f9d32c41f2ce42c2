import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { type Messaging, openMessaging } from '../../../../test/support/messaging.ts'
import { positionBefore } from './position-before.ts'

let tested: Messaging
before(async () => {
  tested = await openMessaging()
})
after(() => tested[Symbol.asyncDispose]())

const minute = (n: number) => new Date(Date.UTC(2026, 10, 22, 10, n))

test('the position before a time is that of the last event logged before it, wherever in the log that is', async () => {
  const { database, admin } = tested
  assert.equal(await positionBefore(database, minute(0)), 0)
  await admin.query('create table event_log_all partition of event_log for values from (0) to (1000000)')
  // Several at one time, and times without an event.
  await admin.query(
    `insert into event_log (position, event_id, topic, key, type, version, subject, sequence, body, logged_at)
     select n, gen_random_uuid(), 'product.events', 'k', 'T', 1, 's', n, '{}', '2026-11-22T10:00:00Z'::timestamptz + (n / 3) * interval '2 minutes'
     from generate_series(1, 20) n`
  )
  await admin.query('update event_log_head set position = 20')
  const loggedAt = (n: number) => minute(Math.floor(n / 3) * 2)
  for (let at = -1; at < 16; at++) {
    const time = minute(at)
    const expected = Array.from({ length: 20 }, (_, n) => n + 1).findLast(n => loggedAt(n) < time) ?? 0
    assert.equal(await positionBefore(database, time), expected, time.toISOString())
  }
  assert.equal(await positionBefore(database, null), 20)
})

test('a time that the log no longer reaches back to is refused with the oldest position there is', async () => {
  await tested.admin.query('delete from event_log where position < 10')
  await assert.rejects(positionBefore(tested.database, minute(0)), (error: Problem) => {
    assert.ok(error instanceof Problem)
    assert.deepEqual([error.code, error.extensions], ['position-gone', { oldestPosition: 10 }])
    return true
  })
  assert.equal(await positionBefore(tested.database, minute(9)), 14)
})
