import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Broker, Message } from '#broker/broker.ts'
import { change, delivered, leaveEffect, openMessaging, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { consume } from '../messaging/consume.ts'
import { on } from '../messaging/consumer.ts'
import { startBrokerOutlet } from '../messaging/outlet.ts'
import { startRelay } from '../messaging/relay.ts'
import { openWakeup } from '../messaging/wakeup.ts'
import { isAway } from './database-errors.ts'
import { removeEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts'

const dataDir = await mkdtemp(join(tmpdir(), 'tested-restart-'))
after(() => removeEmbeddedPostgres(dataDir))

test('through crashes of the server nothing committed is lost, everything failing says that it is away, and all goes on by itself', async () => {
  await using servers = new AsyncDisposableStack()
  const server = servers.use(await startEmbeddedPostgres({ dataDir }))
  await using tested = await openMessaging({ adminUrl: server.url, announced: () => outbox.wake() })
  const { database } = tested
  const [outbox, eventLog] = [openWakeup(database, 'outbox'), openWakeup(database, 'event log')]
  const accepted: Message[] = []
  const broker = { system: 'postgresql', publish: async messages => void accepted.push(...messages) } as Broker
  await using _relay = startRelay({ database, outbox, eventLog, log: quiet })
  await using _outlet = startBrokerOutlet({ database, broker, source: '/tested-service', eventLog, log: quiet })
  const consumer = { name: 'tested.things', reactions: [on(ThingChanged, leaveEffect)], database, retryDelaysMs: [], log: quiet }

  const committed = new Set<string>()
  const errors: unknown[] = []
  let retries = 0
  let consumed = 0
  let over = false
  await using writers = {
    async [Symbol.asyncDispose]() {
      over = true
      await Promise.all([...writing, consuming])
    }
  }
  const writing = ['a', 'b', 'c'].map(async thingId => {
    while (!over) {
      await database
        .transact(tx => change(tx, thingId))
        .then(n => committed.add(`${thingId} ${n}`))
        .catch(error => errors.push(error))
    }
  })
  const consuming = (async () => {
    while (!over) {
      const verdict = await consume(consumer, delivered('x', consumed + 1))
      if (verdict === 'ack') consumed++
      else retries++
    }
  })()

  let running = server
  for (let crashes = 0; crashes < 2; crashes++) {
    const before = committed.size
    await eventually(
      async () => [committed.size, consumed],
      ([written, read]) => written! > before + 100 && read! > 20
    )
    // What `pg_ctl stop -m immediate` does: no goodbye, and a recovery at the next start.
    process.kill(running.pid, 'SIGQUIT')
    const failed = errors.length
    await eventually(
      async () => errors.length,
      length => length > failed + 20
    )
    running = servers.use(await startEmbeddedPostgres({ dataDir }))
    assert.equal(running.port, server.port)
    const now = committed.size
    await eventually(
      async () => committed.size,
      written => written > now + 20
    )
  }
  await writers[Symbol.asyncDispose]()
  assert.deepEqual(
    errors.filter(error => !isAway(error)),
    []
  )

  const changes = await database.query<{ thing_id: string; n: number }>('select thing_id, n from changes order by thing_id, n')
  const durable = changes.map(({ thing_id, n }) => `${thing_id} ${n}`)
  assert.deepEqual(
    [...committed].filter(each => !durable.includes(each)),
    []
  )
  const published = () => [
    ...new Set(accepted.map(({ body }) => JSON.parse(String(body))).map(({ thingId, n }) => `${thingId} ${n}`))
  ]
  await eventually(
    async () => published().length,
    length => length >= durable.length
  )
  for (const thingId of ['a', 'b', 'c']) {
    const ofThing = (list: string[]) => list.filter(each => each.startsWith(thingId))
    assert.deepEqual(ofThing(published()), ofThing(durable))
  }
  assert.ok(retries > 0)
  const effects = await database.query<{ n: number }>('select n from effects order by place')
  assert.deepEqual(
    effects.map(({ n }) => n),
    Array.from({ length: consumed }, (_, index) => index + 1)
  )
  assert.deepEqual(await database.query('select * from dead_letters'), [])
})
