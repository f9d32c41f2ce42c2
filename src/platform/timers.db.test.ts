import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { openMessaging, openTested, quiet } from '../../test/support/messaging.ts'
import { openProductDatabase } from '../../test/support/product-database.ts'
import { assertReconciled, inventoryOf, reserve, stocked } from '../../test/support/stock.ts'
import { eventually } from '../../test/support/world.ts'
import { productService } from '../services/product/service.ts'
import { type Config, readConfig } from './config.ts'
import type { Log } from './log.ts'
import type { Database } from './postgres/database.ts'
import { every, startTimers, type Timer } from './timers.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() => database.query('truncate inbox, idempotency_keys'))

const configOf = (settings: Record<string, string> = {}): Config => readConfig({ NODE_ENV: 'test', ...settings })
const started = (timers: readonly Timer[], more: { database?: Database; config?: Config; log?: Log } = {}) =>
  startTimers({ database, timers, config: configOf(), log: quiet, ...more })
const until = (condition: () => boolean) => eventually(async () => condition(), Boolean)

test('a timer runs at once and then each time its interval has passed', async () => {
  const turns: number[] = []
  const timer = every(
    'tick',
    config => config.EXPIRY_INTERVAL_MS,
    async () => {
      turns.push(performance.now())
      return { done: 1 }
    }
  )
  const config = configOf({ EXPIRY_INTERVAL_MS: '40' })
  await using _ = started([timer], { config })
  await until(() => turns.length === 4)
  for (const [index, turn] of turns.slice(1).entries()) assert.ok(turn - turns[index]! >= 39, `${turns}`)
})

test('a timer that has more to do runs again at once, and others have their turns meanwhile', async () => {
  const turns: string[] = []
  const HOUR_MS = 3_600_000
  const greedy = every(
    'greedy',
    () => HOUR_MS,
    async () => ({ done: turns.push('greedy'), more: turns.length < 20 })
  )
  const modest = every(
    'modest',
    () => 0,
    async () => ({ done: turns.push('modest') })
  )
  await using _ = started([greedy, modest])
  await until(() => turns.length > 25)
  assert.deepEqual(turns.slice(0, 6), ['greedy', 'modest', 'greedy', 'modest', 'greedy', 'modest'])
  assert.equal(turns.filter(turn => turn === 'greedy').length, 11)
})

test('a timer that is busy delays no other, and is not run beside itself', async () => {
  const goOn = Promise.withResolvers<void>()
  let busy = 0
  let brisk = 0
  const slow = every(
    'slow',
    () => 0,
    async () => {
      busy++
      await goOn.promise
      return { done: 0 }
    }
  )
  const quick = every(
    'quick',
    () => 0,
    async () => ({ done: brisk++ })
  )
  await using _ = started([slow, quick])
  await until(() => brisk > 20)
  assert.equal(busy, 1)
  goOn.resolve()
  await until(() => busy > 1)
})

test('a timer that fails is said so, runs again when it is due, and stops no other', async () => {
  const warnings: string[] = []
  const log = { info: () => {}, warn: (_: object, message: string) => warnings.push(message) } as unknown as Log
  let turns = 0
  const failing = every(
    'failing',
    () => 5,
    () => Promise.reject(new Error('no'))
  )
  const sound = every(
    'sound',
    () => 5,
    async () => ({ done: turns++ })
  )
  await using _ = started([failing, sound], { log })
  await until(() => turns > 3 && warnings.length > 3)
  assert.deepEqual([...new Set(warnings)], ['failing failed'])
})

test('one process at a time runs the timers of a service', async () => {
  await using elsewhere = openTested(tested.url, 4)
  const running = new Set<string>()
  const by: string[] = []
  const timerOf = (name: string) =>
    every(
      'exclusive',
      () => 0,
      async database => {
        running.add(name)
        assert.equal(running.size, 1)
        by.push(name)
        await database.query('select 1')
        running.delete(name)
        return { done: 1 }
      }
    )
  const here = started([timerOf('here')])
  await until(() => by.length > 5)
  await using _ = started([timerOf('there')], { database: elsewhere })
  const before = by.length
  await until(() => by.length > before + 50)
  await here[Symbol.asyncDispose]()
  await until(() => by.at(-1) === 'there')
  assert.ok(!by.slice(0, before + 50).includes('there'))
})

test('stopping waits for the turn that is running', async () => {
  const turned = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  let done = false
  const timer = every(
    'slow',
    () => 0,
    async () => {
      turned.resolve()
      await goOn.promise
      done = true
      return { done: 1 }
    }
  )
  const timers = started([timer])
  await turned.promise
  const stopped = timers[Symbol.asyncDispose]()
  goOn.resolve()
  await stopped
  assert.ok(done)
})

test('what is older than its retention is forgotten, a bounded number at a time, and nothing else', async () => {
  const remember = (count: number, age: string, name: string) =>
    Promise.all([
      database.query(
        `insert into inbox select 'tested.things', $3, n::text, now() - $2::interval from generate_series(1, $1::integer) n`,
        [count, age, name]
      ),
      database.query(
        `insert into idempotency_keys (principal, key, fingerprint, status, headers, body, created_at)
         select $3, n::text, '', 200, '{}', '', now() - $2::interval from generate_series(1, $1::integer) n`,
        [count, age, name]
      )
    ])
  await remember(2500, '31 days', 'old')
  await remember(1000, '30 hours', 'fresh')
  const turns: Record<string, number[]> = {}
  const log = {
    info: ({ timer, done }: { timer: string; done: number }) => {
      turns[timer] = [...(turns[timer] ?? []), done]
    },
    warn: (line: object) => assert.fail(JSON.stringify(line))
  } as unknown as Log
  await using _ = started([], { config: configOf({ INBOX_RETENTION_DAYS: '30', IDEMPOTENCY_RETENTION_HOURS: '48' }), log })
  await until(() => (turns.pruneInbox?.length ?? 0) === 3 && (turns.pruneIdempotencyKeys?.length ?? 0) === 3)
  assert.deepEqual(turns, { pruneInbox: [1000, 1000, 500], pruneIdempotencyKeys: [1000, 1000, 500] })
  assert.deepEqual(await database.query('select source, count(*) from inbox group by 1'), [{ source: 'fresh', count: 1000 }])
  assert.deepEqual(await database.query('select principal, count(*) from idempotency_keys group by 1'), [
    { principal: 'fresh', count: 1000 }
  ])
})

test('reservations past their deadline are swept as often as EXPIRY_INTERVAL_MS says', async () => {
  await using product = await openProductDatabase()
  const thing = await stocked(product, 10)
  await product.events()
  const items = [{ variantId: thing.variantId, quantity: 4 }]
  await reserve(product, items, { ttlSeconds: 60 })
  await reserve(product, items, { ttlSeconds: 86_400 })
  await product.database.query(
    `update reservations set expires_at = now() - interval '1 second' where expires_at < now() + interval '1 hour'`
  )
  const { timers } = productService
  await using _ = started(timers, { database: product.database, config: configOf({ EXPIRY_INTERVAL_MS: '20' }) })
  const expired = () => product.database.query(`select from outbox where type = 'InventoryReservationExpired'`)
  await eventually(expired, events => events.length === 1)
  assert.deepEqual(await inventoryOf(product, thing), { onHand: 10, reserved: 4, available: 6 })
  await product.database.query(`update reservations set expires_at = now() - interval '1 second' where expires_at > now()`)
  await eventually(expired, events => events.length === 2)
  await assertReconciled(product)
})
