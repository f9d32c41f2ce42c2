import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Broker, type Message, MessagesRefused } from '#broker/broker.ts'
import { change, openMessaging, quiet, startPart } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { startBrokerOutlet } from './outlet.ts'
import { startRelay } from './relay.ts'
import { openWakeup } from './wakeup.ts'

const tested = await openMessaging({ announced: () => outbox.wake() })
const { database, admin } = tested
const outbox = openWakeup(database, 'outbox')
const eventLog = openWakeup(database, 'event log')
const relay = startRelay({ database, outbox, eventLog, log: quiet })
await database.query('create table published (place bigint generated always as identity, event_id uuid)')
after(async () => {
  await relay[Symbol.asyncDispose]()
  await tested[Symbol.asyncDispose]()
})

/** Each test begins with an outlet that has passed what was logged before. */
beforeEach(async () => {
  await database.query('truncate published, quarantined_events')
  await database.query('delete from outlets')
  await eventually(
    () => database.query('select from outbox'),
    rows => rows.length === 0
  )
  await database.query(`insert into outlets (name, position) select 'broker', position from event_log_head`)
})

/** What the outlet publishes to: keeps what it accepts. */
function openReceiver(): Broker & { accepted: Message[]; publishes: number; away: boolean; poisonous: Set<string> } {
  return {
    system: 'postgresql',
    accepted: [],
    publishes: 0,
    away: false,
    poisonous: new Set(),
    async publish(messages) {
      this.publishes++
      if (this.away) throw new Error('the broker is away')
      const poison = messages.filter(({ key }) => this.poisonous.has(key))
      this.accepted.push(...messages.filter(message => !poison.includes(message)))
      if (poison.length > 0)
        throw new MessagesRefused(
          poison.map(({ messageId }) => messageId),
          'poison'
        )
    },
    subscribe: () => Promise.reject(new Error('nothing to subscribe to')),
    async [Symbol.asyncDispose]() {}
  }
}

const started = (broker: Broker, published = (_: readonly { event_id: string }[]) => {}) =>
  startBrokerOutlet({ database, broker, source: '/tested-service', eventLog, log: quiet, published })
const changed = (thingId: string) => database.transact(tx => change(tx, thingId))
const numbersOf = (messages: readonly Message[]) => messages.map(({ body }) => JSON.parse(String(body)).n)
const position = async () =>
  (await database.query<{ position: number }>(`select position from outlets where name = 'broker'`))[0]!.position
const head = async () => (await database.query<{ position: number }>('select position from event_log_head'))[0]!.position

test('an event is published as it was announced, with the CloudEvents attributes and its trace', async () => {
  const broker = openReceiver()
  await using _ = started(broker)
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await database.transact(tx => change(tx, 'traced', 'ä'), { traceparent })
  await eventually(
    async () => broker.accepted.length,
    length => length === 1
  )
  const [message] = broker.accepted
  const [row] = await database.query<{ body: string; event_id: string }>(
    `select body, event_id from event_log where key = 'traced'`
  )
  assert.deepEqual(message, {
    topic: 'product.events',
    key: 'traced',
    messageId: row!.event_id,
    routingKey: 'thing.changed.v1',
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: row!.event_id,
      ce_source: '/tested-service',
      ce_type: 'thing.changed.v1',
      ce_subject: 'thing/traced',
      ce_time: JSON.parse(row!.body).timestamp,
      ce_dataschema: '/schemas/events/ThingChanged/1',
      ce_partitionkey: 'traced',
      ce_sequence: '00000000000000000001',
      ce_traceparent: traceparent,
      traceparent
    },
    body: Buffer.from(row!.body)
  })
})

test('the next batch is signed while the broker takes one, and again when it takes its time: the key may have changed', async () => {
  const signedBy: string[] = []
  let [kid, signatures] = ['old', 0]
  const { promise: taken, resolve: take } = Promise.withResolvers<void>()
  const broker = openReceiver()
  const sign = async (messages: readonly Message[]) => {
    signatures += messages.length
    return messages.map(message => ({ ...message, headers: { ...message.headers, ce_signature: kid } }))
  }
  // What two batches hold is there before the first is read.
  await database.transact(async tx => {
    for (let n = 0; n < 600; n++) await change(tx, `batched-${n}`)
  })
  await eventually(
    () => database.query('select from outbox'),
    rows => rows.length === 0
  )
  await using _ = startBrokerOutlet({
    ...{ database, source: '/tested-service', eventLog, log: quiet, sign },
    broker: {
      ...broker,
      async publish(messages) {
        signedBy.push(messages[0]!.headers.ce_signature!)
        if (signedBy.length === 1) await taken
      }
    }
  })
  await eventually(
    async () => signatures,
    signatures => signatures === 600
  )
  const at = performance.now()
  kid = 'new'
  await eventually(
    async () => performance.now() - at,
    waited => waited > 1_100
  )
  take()
  await eventually(
    async () => signedBy,
    signedBy => signedBy.length === 2
  )
  assert.deepEqual(signedBy, ['old', 'new'])
})

test('an outlet whose connection is ended goes on with another one', async () => {
  const broker = openReceiver()
  await using _ = started(broker)
  await changed('cut')
  await eventually(
    async () => broker.accepted.length,
    length => length === 1
  )
  await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tested.outlet broker'`)
  await changed('cut')
  await eventually(
    async () => broker.accepted.length,
    length => length >= 2
  )
  assert.deepEqual(numbersOf(broker.accepted), [1, 2])
})

test('a broker that is away holds up only its own cursor; when it is back, everything follows in order', async () => {
  const broker = openReceiver()
  await using _ = started(broker)
  await changed('patient')
  await eventually(
    async () => broker.accepted.length,
    length => length === 1
  )
  broker.away = true
  const [before, tries] = [await head(), broker.publishes]
  for (let n = 0; n < 20; n++) await changed('patient')
  await eventually(head, position => position === before + 20)
  await eventually(
    async () => broker.publishes,
    publishes => publishes > tries + 2
  )
  assert.deepEqual([await position(), broker.accepted.length], [before, 1])
  broker.away = false
  await eventually(position, position => position === before + 20)
  assert.deepEqual(
    numbersOf(broker.accepted),
    Array.from({ length: 21 }, (_, index) => index + 1)
  )
})

test('what the broker refuses for good is set aside with its reason, and the cursor passes it', async () => {
  const broker = openReceiver()
  broker.poisonous.add('poison')
  const published: string[] = []
  await using _ = started(broker, events => published.push(...events.map(({ event_id }) => event_id)))
  const before = await head()
  await database.transact(async tx => {
    for (const thingId of ['sound', 'poison', 'sound', 'poison']) await change(tx, thingId)
  })
  await eventually(position, position => position === before + 4)
  assert.deepEqual(numbersOf(broker.accepted), [1, 2])
  const quarantined = await database.query('select outlet, position, key, reason from quarantined_events order by position')
  const reason = 'the broker refuses 2 message(s): poison'
  assert.deepEqual(
    quarantined,
    [before + 2, before + 4].map(position => ({ outlet: 'broker', position, key: 'poison', reason }))
  )
  await eventually(
    async () => published,
    ids => ids.length > 0
  )
  assert.deepEqual(
    published,
    broker.accepted.map(({ messageId }) => messageId)
  )
})

test('a refusal of nothing that was sent is tried again rather than passed', async () => {
  const broker = openReceiver()
  const publish = broker.publish
  let refusals = 0
  broker.publish = async messages => {
    if (refusals++ === 0) throw new MessagesRefused(['another'], 'confused')
    return publish.call(broker, messages)
  }
  await using _ = started(broker)
  await changed('confusing')
  await eventually(
    async () => broker.accepted.length,
    length => length === 1
  )
  assert.deepEqual(await database.query('select * from quarantined_events'), [])
})

test('an outlet that is killed between publishing and moving its cursor repeats events, and leaves none out', async () => {
  let over = false
  const writing = Promise.all(
    ['a', 'b', 'c'].map(async thingId => {
      while (!over) await changed(thingId)
    })
  )
  const first = (await position()) + 1
  const count = async () => (await admin.query<{ count: number }>('select count(*) from published'))[0]!.count
  let published = 0
  for (let kills = 0; kills < 4; kills++) {
    await using outlet = startPart('outlet', tested.url)
    await eventually(count, now => now > published)
    await delay(Math.random() * 50)
    await outlet.kill()
    published = await count()
  }
  over = true
  await writing
  await using _ = startPart('outlet', tested.url)
  await eventually(
    async () => [await position(), await head()],
    ([outlet, log]) => outlet === log
  )
  const rows = await admin.query<{ position: number }>(
    'select position from published join event_log using (event_id) order by place'
  )
  const positions = rows.map(row => row.position)
  const firsts = positions.filter((position, index) => positions.indexOf(position) === index)
  assert.deepEqual(
    firsts,
    firsts.map((_, index) => first + index)
  )
  assert.equal(firsts.at(-1), await head())
  assert.ok(positions.length > firsts.length, 'nothing was repeated: no kill came between publishing and the cursor')
})
