import assert from 'node:assert/strict'
import { after, beforeEach, suite, test } from 'node:test'
import { openBroker } from '#broker/open.ts'
import {
  delivered,
  leaveEffect,
  openMessaging,
  openTested,
  quiet,
  startPart,
  ThingChanged
} from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Transaction } from '../postgres/database.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { CRASHES_MAX, type CrashWatch, openCrashWatch } from './crash-watch.ts'

const tested = await openMessaging()
const { database, admin, url, adminUrl } = tested
const broker = await openBroker({ url: adminUrl })
after(async () => {
  await broker[Symbol.asyncDispose]()
  await tested[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await database.query('truncate effects, inbox, parked_messages, dead_letters, begun_messages, consumer_processes')
  await admin.query('truncate broker.messages, broker.cursors')
})

type Change = { thingId: string; n: number; text?: string }

const publish = (changes: readonly Change[]) =>
  broker.publish(changes.map(({ thingId, n, text }) => delivered(thingId, n, text ? { event: { text } } : {})))
const effects = () => database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')
type Letter = { key: string; event_id: string; reason: string; attempts: number; last_error: string }
const deadLetters = () =>
  database.query<Letter>('select key, event_id, reason, attempts, last_error from dead_letters order by event_id')
const parked = () => database.query('select key from parked_messages')

/** Starts a consumer again whenever it has died, as a supervisor does, until `done`. Resolves to how often it died. */
async function supervised(done: () => Promise<boolean>): Promise<number> {
  for (let deaths = 0; ; deaths++) {
    assert.ok(deaths < 20, 'it dies for ever')
    await using part = startPart('subscribe', url, adminUrl)
    const settled = new AbortController()
    const finished = (async () => {
      while (!settled.signal.aborted) if (await done()) return true
      return false
    })()
    const died = part.ended.then(() => false)
    const over = await Promise.race([finished, died])
    settled.abort()
    await finished
    if (over) return deaths
  }
}

const numbered = (keys: readonly string[], count: number) =>
  Array.from({ length: count }, (_, index) => keys.map(thingId => ({ thingId, n: index + 1 }))).flat()

async function inOrderBut(changes: readonly Change[], poison: readonly string[]): Promise<void> {
  const all = (await effects()).map(({ thing_id, n }) => `${thing_id}-${n}`)
  const keys = new Set(changes.map(({ thingId }) => thingId))
  for (const key of keys)
    assert.deepEqual(
      all.filter(effect => effect.startsWith(`${key}-`)),
      changes.map(({ thingId, n }) => `${thingId}-${n}`).filter(id => id.startsWith(`${key}-`) && !poison.includes(id))
    )
}

/** Each death is a start of a process. */
const slow = { timeout: 240_000 }

suite('a message that kills the process which handles it', () => {
  test('becomes a dead letter after four deaths; what was beside it and behind it takes effect once, in order', slow, async () => {
    const changes: Change[] = numbered(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'], 12)
    const poison = changes.find(({ thingId, n }) => thingId === 'c' && n === 5)!
    poison.text = 'kill'
    await publish(changes)
    const deaths = await supervised(async () => (await effects()).length === changes.length - 1)
    assert.equal(deaths, CRASHES_MAX + 1)
    const letters = await deadLetters()
    assert.partialDeepStrictEqual(letters, [{ key: 'c', event_id: 'c-5', reason: 'crash-poison', attempts: 4 }])
    assert.equal(letters.length, 1)
    await inOrderBut(changes, ['c-5'])
    assert.deepEqual(await parked(), [])
  })

  test('does so too when it was parked first, and those behind it follow', slow, async () => {
    const changes: Change[] = numbered(['a', 'b', 'c', 'd'], 6)
    changes.find(({ thingId, n }) => thingId === 'b' && n === 2)!.text = 'fail, then kill'
    await publish(changes)
    const deaths = await supervised(async () => (await effects()).length === changes.length - 1)
    assert.equal(deaths, CRASHES_MAX + 1)
    assert.deepEqual(
      (await deadLetters()).map(({ event_id, reason }) => [event_id, reason]),
      [['b-2', 'crash-poison']]
    )
    await inOrderBut(changes, ['b-2'])
    assert.deepEqual(await parked(), [])
  })
})

suite('what is begun is written down', () => {
  const consumerOf = (
    crashWatch: CrashWatch,
    behaviour = leaveEffect as (tx: Transaction, event: Change) => Promise<void>
  ): Consumer => ({
    name: 'tested.things',
    reactions: [on(ThingChanged, behaviour)],
    database,
    retryDelaysMs: [60_000],
    crashWatch,
    log: quiet
  })

  /** As somebody who was killed leaves it. */
  const died = () => database.query('insert into consumer_processes (process_id) values (gen_random_uuid())')

  test('only when somebody has died: those who live, and those who have signed off, are not suspected', async () => {
    await using _living = await openCrashWatch(database, quiet).start()
    await (await openCrashWatch(database, quiet).start())[Symbol.asyncDispose]()
    const crashWatch = openCrashWatch(database, quiet)
    await using _ = await crashWatch.start()
    assert.equal(crashWatch.suspicious, false)
    await using refusing = await refusingWrites()
    assert.equal(await consume(consumerOf(crashWatch), delivered('a', 1)), 'ack')
    assert.deepEqual([(await effects()).length, await parked()], [1, []])
    assert.ok(refusing)
  })

  test('after a death, by everybody, and no longer than it takes', async () => {
    await using _living = await openCrashWatch(database, quiet).start()
    const early = openCrashWatch(database, quiet, { ms: 5_000, messages: 2 })
    await using _early = await early.start()
    await died()
    await eventually(
      async () => early.suspicious,
      suspicious => suspicious
    )
    const late = openCrashWatch(database, quiet)
    await using _late = await late.start()
    assert.equal(late.suspicious, true)
    const consumer = consumerOf(early, async (tx, event) => {
      const [row] = await database.query<{ begun: number }>('select count(*) as begun from begun_messages')
      assert.equal(row!.begun, 1)
      await leaveEffect(tx, event)
    })
    for (const n of [1, 2, 1]) assert.equal(await consume(consumer, delivered('a', n)), 'ack')
    assert.deepEqual([(await effects()).length, await parked()], [2, []])
    assert.deepEqual(await database.query('select * from begun_messages'), [])
    await eventually(
      async () => early.suspicious,
      suspicious => !suspicious
    )
  })

  test('and what did not come back is handled with nothing beside it', async () => {
    await died()
    const crashWatch = openCrashWatch(database, quiet)
    await using _ = await crashWatch.start()
    let handling = 0
    let beside = 0
    const consumer = consumerOf(crashWatch, async (tx, event) => {
      handling++
      await tx.query('select pg_sleep(0.1)')
      if (event.thingId === 'suspect') assert.equal(handling, 1)
      else beside = Math.max(beside, handling)
      handling--
    })
    const left = ['tested.things', '/tested-service', 'suspect-1']
    await database.query('insert into begun_messages (consumer, source, event_id) values ($1, $2, $3)', left)
    const event = { source: '/tested-service' }
    const names = ['a', 'b', 'suspect', 'c', 'd', 'e']
    await Promise.all(names.map(name => consume(consumer, delivered(name, 1, { event }))))
    assert.deepEqual([await parked(), beside > 1], [[], true])
    assert.deepEqual(await database.query('select * from begun_messages'), [])
  })

  test('but a database that is away while a message is handled is no death, however often', async () => {
    await died()
    const crashWatch = openCrashWatch(database, quiet)
    await using _ = await crashWatch.start()
    await using breaking = openTested(`${url}?application_name=suspecting`, 1)
    let outages = CRASHES_MAX + 2
    const consumer = {
      ...consumerOf(crashWatch, async (tx, event) => {
        await leaveEffect(tx, event)
        if (outages-- <= 0) return
        // Nobody can write down that it came back.
        await admin.query('revoke delete on begun_messages from tested')
        await admin.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'suspecting'`)
      }),
      database: breaking
    }
    while (outages > 0) {
      assert.equal(await consume(consumer, delivered('a', 1)), 'retry')
      await admin.query('grant delete on begun_messages to tested')
    }
    assert.equal(await consume(consumer, delivered('a', 1)), 'ack')
    assert.deepEqual([(await effects()).length, await deadLetters()], [1, []])
  })

  async function refusingWrites(): Promise<AsyncDisposable> {
    await database.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'nothing is to be written'; end $$`
    )
    await database.query('create trigger refuse before insert on begun_messages execute function refuse()')
    return {
      [Symbol.asyncDispose]: async () => {
        await database.query('drop function refuse cascade')
      }
    }
  }
})
