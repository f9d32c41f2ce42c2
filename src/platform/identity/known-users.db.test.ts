import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import type { Problem } from '#contracts/problems.ts'
import { openMessaging, quiet } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { type AskUser, openKnownUsers } from './known-users.ts'
import { followUser, keepAnswer, pruneKnownUsers, readKeptUsers, type ToldUser } from './known-users-store.ts'

const tested = await openMessaging()
after(() => tested[Symbol.asyncDispose]())
const { database } = tested
beforeEach(() => database.query('truncate known_users'))

const ben = { userId: 'u-2', roles: ['pricing'], status: 'active', version: 1 }
const ages = { freshMs: 600_000, staleMs: 86_400_000 }
const away: AskUser = () => Promise.reject(new Error('away'))

/** What a process knows, of a User Service that answers so; with a clock of its own. */
function opened(answer: AskUser) {
  let passed = 0
  const process = { ask: answer, asked: 0 }
  const ask: AskUser = userId => {
    process.asked++
    return process.ask(userId)
  }
  const users = openKnownUsers({ database, ask, ages, log: quiet, now: () => passed })
  const get = async (userId = 'u-2') => {
    const { status, roles } = await users.get(userId)
    return `${status} ${roles.join()}`.trimEnd()
  }
  const pass = (ms: number) => {
    passed += ms
  }
  return Object.assign(process, { get, users, pass })
}

type Told = { roles?: string[]; status?: string; sequence?: number; timestamp?: string; userId?: string }

function deliver(told: Told): Promise<unknown> {
  const envelope = { eventId: 'e', eventType: 'UserUpdated', eventVersion: 1, source: '/user-service', sequence: 1 }
  return database.transact(tx =>
    followUser(tx, { ...envelope, timestamp: '2020-01-01T00:00:00Z', userId: 'u-2', ...told } as never)
  )
}

const grownOlder = (ms: number) =>
  database.query(`update known_users set told_at = told_at - make_interval(secs => $1)`, [ms / 1000])

const isUnavailable = (problem: Problem) => problem.code === 'unavailable' && problem.extensions.retryAfterSeconds === 1

test('all who ask at once about a user wait for one answer, which is known in every process from then on', async () => {
  const first = opened(async () => ben)
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 50 }, () => first.get()))), new Set(['active pricing']))
  first.pass(501)
  assert.equal(await first.get(), 'active pricing')
  assert.equal(first.asked, 1)
  const second = opened(away)
  assert.equal(await second.get(), 'active pricing')
  assert.equal(second.asked, 0)
})

test('a user who was read within half a second is told at once, and after it what another process was told holds', async () => {
  const process = opened(async () => ben)
  await process.get()
  await deliver({ roles: ['pricing'], status: 'suspended', sequence: 2 })
  process.pass(499)
  assert.ok(!(process.users.get('u-2') instanceof Promise))
  process.pass(1)
  assert.equal(await process.get(), 'suspended pricing')
})

test('whatever the order of events and answers, and however often they come, the newest holds', async () => {
  const states = [1, 2, 3, 4].map(n => ({
    userId: 'u-2',
    roles: [`role-${n}`],
    status: n === 4 ? 'suspended' : 'active',
    version: n
  }))
  const told = fc.record({ state: fc.constantFrom(...states), by: fc.constantFrom('event', 'answer') })
  await fc.assert(
    fc.asyncProperty(fc.array(told, { minLength: 1, maxLength: 12 }), async all => {
      await database.query('truncate known_users')
      for (const { state, by } of all) {
        if (by === 'event') await deliver({ ...state, sequence: state.version })
        else await keepAnswer(database, state, undefined)
      }
      const newest = all.map(({ state }) => state).toSorted((a, b) => b.version - a.version)[0]!
      const [kept] = await readKeptUsers(database, ['u-2'])
      assert.deepEqual([kept!.roles, kept!.status], [newest.roles, newest.status])
    }),
    { numRuns: 60 }
  )
})

test('an answer that was under way when the user was suspended lets nobody in', async () => {
  for (const version of [1, undefined]) {
    await database.query('truncate known_users')
    const process = opened(async () => {
      await deliver({ roles: ['pricing'], status: 'suspended', sequence: 2 })
      return { ...ben, version }
    })
    assert.equal(await process.get(), 'suspended pricing', `version ${version}`)
  }
})

test('an event that does not say roles and status has the User Service asked, and nobody let in while it is away', async () => {
  const process = opened(async () => ben)
  await process.get()
  await deliver({ status: 'active', sequence: 2 })
  process.pass(500)
  process.ask = away
  await assert.rejects(process.get(), isUnavailable)
  process.ask = async () => ben
  await assert.rejects(process.get(), isUnavailable, 'an answer from before the event')
  process.ask = async () => ({ ...ben, roles: ['viewer'], version: 2 })
  assert.equal(await process.get(), 'active viewer')
})

test('of a publisher that does not count, every event that differs has the User Service asked', async () => {
  const uncounted: ToldUser = { ...ben, version: undefined }
  const process = opened(async () => uncounted)
  await process.get()
  await deliver({ roles: ['pricing'], status: 'suspended' })
  process.pass(500)
  assert.equal(await process.get(), 'suspended pricing')
  for (const status of ['active', 'suspended', 'active']) {
    process.ask = async () => ({ ...uncounted, status })
    await deliver({ roles: ['pricing'], status })
    process.pass(500)
    assert.equal(await process.get(), `${status} pricing`)
  }
  // It answers with a version, and its events say none.
  process.ask = async () => ({ ...ben, version: 7 })
  await deliver({ roles: ['viewer'], status: 'active' })
  process.pass(500)
  assert.equal(await process.get(), 'active pricing')
  process.ask = async () => ({ ...ben, status: 'suspended', version: 8 })
  await deliver({ roles: ['pricing'], status: 'suspended', timestamp: new Date(Date.now() + 1000).toISOString() })
  process.pass(500)
  assert.equal(await process.get(), 'suspended pricing')
})

test('with the User Service away, what is known of a user holds until it is too old, and of others nothing is', async () => {
  const process = opened(async () => ben)
  await process.get()
  process.ask = away
  for (const aged of [ages.freshMs, ages.staleMs - ages.freshMs - 60_000]) {
    await grownOlder(aged)
    process.pass(500)
    assert.equal(await process.get(), 'active pricing')
  }
  await assert.rejects(process.get('u-9'), isUnavailable)
  await grownOlder(60_000)
  process.pass(500)
  await assert.rejects(process.get(), isUnavailable)
  process.ask = async () => ({ ...ben, roles: ['viewer'], version: 2 })
  assert.equal(await process.get(), 'active viewer')
})

test('what has not been told for long is asked again while it still holds', async () => {
  const process = opened(async () => ben)
  await process.get()
  await grownOlder(ages.freshMs)
  process.ask = async () => ({ ...ben, roles: ['viewer'], version: 3 })
  process.pass(500)
  assert.equal(await process.get(), 'active pricing')
  await eventually(
    () => {
      process.pass(500)
      return process.get()
    },
    told => told === 'active viewer'
  )
  assert.equal(process.asked, 2)
})

test('somebody whom the User Service does not know is unknown, for five seconds; and for good while it is away', async () => {
  const process = opened(async () => undefined)
  for (let n = 0; n < 3; n++) {
    process.pass(500)
    assert.equal(await process.get('u-9'), 'unknown')
  }
  assert.equal(process.asked, 1)
  await grownOlder(5000)
  process.ask = away
  process.pass(500)
  assert.equal(await process.get('u-9'), 'unknown')
  process.ask = async () => ({ ...ben, userId: 'u-9' })
  process.pass(500)
  assert.equal(await process.get('u-9'), 'active pricing')
  // And a user who is deleted is one no more.
  await grownOlder(ages.staleMs)
  process.ask = async () => undefined
  process.pass(500)
  assert.equal(await process.get('u-9'), 'unknown')
})

test('those whom nobody has told of for long are forgotten', async () => {
  await keepAnswer(database, ben, undefined)
  await grownOlder(31 * 86_400_000)
  await keepAnswer(database, { ...ben, userId: 'u-3' }, undefined)
  assert.equal(await pruneKnownUsers(database, 30, 1000), 1)
  assert.deepEqual(
    (await readKeptUsers(database, ['u-2', 'u-3'])).map(({ userId }) => userId),
    ['u-3']
  )
})
