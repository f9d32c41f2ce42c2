import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { change, type Messaging, openMessaging, quiet } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Database } from '../postgres/database.ts'
import { type EventTail, openEventTail } from './event-tail.ts'
import { startRelay } from './relay.ts'
import { openWakeup, type Wakeup } from './wakeup.ts'

let tested: Messaging
let relay: AsyncDisposable
let eventLog: Wakeup
before(async () => {
  tested = await openMessaging({ announced: () => outbox.wake() })
  const { database } = tested
  const outbox = openWakeup(database, 'outbox')
  eventLog = openWakeup(database, 'event log', { followers: 'many' })
  relay = startRelay({ database, outbox, eventLog, log: quiet })
})
after(async () => {
  await relay[Symbol.asyncDispose]()
  await tested[Symbol.asyncDispose]()
})

const open = (database: Database, followersMax = 100) => openEventTail({ database, eventLog, log: quiet, followersMax })
const write = (count: number) =>
  tested.database.transact(async tx => {
    for (let n = 0; n < count; n++) await change(tx, 'a')
  })
const head = async () => (await tested.database.query<{ position: number }>('select position from event_log_head'))[0]!.position
async function settled(): Promise<number> {
  await eventually(
    () => tested.database.query<{ waiting: number }>('select count(*) as waiting from outbox'),
    ([row]) => row!.waiting === 0
  )
  return head()
}

/** Follows until it has been given the event at `until`. */
async function positionsOf(tail: EventTail, after: number, until: () => number, types: string[] | null = null): Promise<number[]> {
  using follower = tail.join()
  const signal = AbortSignal.timeout(60_000)
  const seen: number[] = []
  for (let at = after; at < until(); ) {
    signal.throwIfAborted()
    const { events, position } = await follower.next({ after: at, types }, 1000, signal)
    seen.push(...events.map(event => event.position))
    at = position
  }
  return seen
}
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)
const isGone = async () =>
  eventually(
    () => tested.admin.query(`select from pg_stat_activity where application_name = 'tested.event tail'`),
    sessions => sessions.length === 0
  )

describe('the end of the log', () => {
  test('is read once, however many follow: those who keep up ask the database nothing', async () => {
    let asked = 0
    const counting: Database = {
      ...tested.database,
      query: (sql, values) => {
        asked++
        return tested.database.query(sql, values)
      }
    }
    await using tail = open(counting)
    const from = await settled()
    using first = tail.join()
    // From here on the reader knows where the log ends.
    await write(1)
    await first.next({ after: from, types: null }, 10_000, AbortSignal.timeout(10_000))
    await settled()
    let to = Number.POSITIVE_INFINITY
    const following = range(1, 50).map(() => positionsOf(tail, from + 1, () => to))
    for (let n = 0; n < 20; n++) await write(10)
    to = await settled()
    for (const seen of await Promise.all(following)) assert.deepEqual(seen, range(from + 2, from + 201))
    assert.ok(asked < 10, `the database was asked ${asked} times`)
  })

  test('is read again from where it is when the session breaks: what came meanwhile is not missing for who reads later', async () => {
    let gate = Promise.resolve()
    const gated: Database = {
      ...tested.database,
      async connect(purpose) {
        await gate
        return tested.database.connect(purpose)
      }
    }
    await using tail = open(gated)
    const from = await settled()
    using _ = tail.join()
    const kept = positionsOf(tail, from, () => from + 5)
    await write(5)
    await kept
    const { promise, resolve } = Promise.withResolvers<void>()
    gate = promise
    await tested.admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tested.event tail'`)
    await isGone()
    await write(5)
    await settled()
    resolve()
    await eventually(
      () => tested.admin.query(`select from pg_stat_activity where application_name = 'tested.event tail'`),
      sessions => sessions.length === 1
    )
    const live = positionsOf(tail, from + 10, () => from + 15)
    await write(5)
    assert.deepEqual(await live, range(from + 11, from + 15))
    assert.deepEqual(await positionsOf(tail, from, () => from + 15), range(from + 1, from + 15))
  })

  test('is followed without a gap through a session that breaks, from wherever one is', async () => {
    await using tail = open(tested.database)
    const from = await settled()
    let to = Number.POSITIVE_INFINITY
    const following = [0, from].map(after => positionsOf(tail, after, () => to))
    const sessions = `from pg_stat_activity where application_name = 'tested.event tail'`
    for (let n = 0; n < 5; n++) {
      const ended = await eventually(
        () => tested.admin.query<{ pid: number }>(`select pid, pg_terminate_backend(pid) ${sessions}`),
        found => found.length > 0
      )
      await write(20)
      await settled()
      await eventually(
        () => tested.admin.query<{ pid: number }>(`select pid ${sessions} and state = 'idle'`),
        found => found.length > 0 && found.every(({ pid }) => !ended.some(each => each.pid === pid))
      )
      // More than came meanwhile.
      for (let m = 0; m < 10; m++) await write(10)
    }
    to = await settled()
    const [all, late] = await Promise.all(following)
    assert.deepEqual(all, range(1, to))
    assert.deepEqual(late, range(from + 1, to))
  })

  test('has its session while somebody follows, and no longer', async () => {
    await using tail = open(tested.database)
    await isGone()
    for (let n = 0; n < 3; n++) {
      {
        using _first = tail.join()
        using _second = tail.join()
        await eventually(
          () => tested.admin.query(`select from pg_stat_activity where application_name = 'tested.event tail'`),
          sessions => sessions.length === 1
        )
      }
      await isGone()
    }
  })

  test('is followed by so many and no more', async () => {
    await using tail = open(tested.database, 1)
    {
      using _ = tail.join()
      assert.throws(
        () => tail.join(),
        (error: Problem) =>
          error instanceof Problem && error.code === 'too-many-requests' && error.extensions.retryAfterSeconds === 10
      )
    }
    using _ = tail.join()
  })

  test('of one type is looked through for that type alone, and tells how far', async () => {
    await using tail = open(tested.database)
    const from = await settled()
    await write(3)
    const to = await settled()
    assert.deepEqual(await positionsOf(tail, from, () => to, ['Other']), [])
    assert.deepEqual(await positionsOf(tail, from, () => to, ['Other', 'ThingChanged']), range(from + 1, to))
  })
})
