import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openMessaging, openTested, ThingChanged } from '../../../test/support/messaging.ts'
import { announce, announceAll, announcement, EVENT_BYTES_MAX } from './outbox.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())

type OutboxRow = { seq: number; event_id: string; key: string; subject: string; body: string; traceparent: string | null }

async function outbox(): Promise<(OutboxRow & Record<string, unknown>)[]> {
  const rows = await database.query<OutboxRow & Record<string, unknown>>('select * from outbox order by seq')
  await database.query('delete from outbox')
  return rows
}

test('an event is stored as it is sent: the envelope and its data in one object, with its key, its subject and its trace', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await database.transact(async tx => announce(tx, ThingChanged, { n: 7, thingId: 'a', text: 'ä\u0000\ud800' }, 7), { traceparent })
  const [row, ...others] = await outbox()
  const { body, event_id, seq: _, ...rest } = row!
  assert.equal(others.length, 0)
  const { timestamp, ...event } = JSON.parse(body)
  assert.deepEqual(event, {
    eventId: event_id,
    eventType: 'ThingChanged',
    eventVersion: 1,
    source: '/tested-service',
    sequence: 7,
    n: 7,
    thingId: 'a',
    text: 'ä\u0000\ud800'
  })
  assert.ok(Math.abs(Date.now() - Date.parse(timestamp)) < 10_000)
  const contract = { topic: 'product.events', type: 'ThingChanged', version: 1 }
  assert.deepEqual(rest, { ...contract, key: 'a', subject: 'thing/a', sequence: 7, traceparent })
})

test('many events keep their order, and each may belong to a trace of its own', async () => {
  const numbers = Array.from({ length: 500 }, (_, index) => index + 1)
  await database.transact(
    async tx => {
      announceAll(
        tx,
        numbers.map(n => announcement(ThingChanged, { thingId: `${n % 7}`, n }, n, n === 2 ? '00-its-own' : undefined))
      )
      announceAll(tx, [])
      announce(tx, ThingChanged, { thingId: 'last', n: 1 }, 1)
    },
    { traceparent: '00-shared' }
  )
  const rows = await outbox()
  assert.deepEqual(
    rows.map(row => JSON.parse(row.body).n),
    [...numbers, 1]
  )
  assert.deepEqual(
    rows.slice(0, 3).map(row => row.traceparent),
    ['00-shared', '00-its-own', '00-shared']
  )
  assert.equal(new Set(rows.map(row => row.event_id)).size, 501)
})

test('no event without its commit: neither after a refusal nor when a later statement fails', async () => {
  const refused = database.transact(async tx => {
    announce(tx, ThingChanged, { thingId: 'a', n: 1 }, 1)
    throw new Error('no')
  })
  await assert.rejects(refused, /no/)
  const failing = database.transact(async tx => {
    announce(tx, ThingChanged, { thingId: 'a', n: 1 }, 1)
    tx.send('select nothing')
  })
  await assert.rejects(failing, { code: '42703' })
  assert.deepEqual(await outbox(), [])
})

test('the relay is told after the commit, and only then', async () => {
  let told = 0
  await using telling = openTested(tested.url, 1, () => told++)
  await telling.transact(async tx => {
    announce(tx, ThingChanged, { thingId: 'a', n: 1 }, 1)
    await tx.query('select 1')
    assert.equal(told, 0)
  })
  assert.equal(told, 1)
  const refused = telling.transact(async tx => {
    announce(tx, ThingChanged, { thingId: 'a', n: 2 }, 2)
    throw new Error('no')
  })
  await assert.rejects(refused)
  assert.equal(told, 1)
  assert.equal((await outbox()).length, 1)
})

test('an event that does not match its contract is refused, and its change with it', async () => {
  await database.query('create table ledger (n integer)')
  const wrong: [unknown, number, RegExp][] = [
    [{ thingId: 'a' }, 1, /ThingChanged does not match its contract: \/ must have required property 'n'/],
    [{ thingId: '', n: 1 }, 1, /\/thingId/],
    [{ thingId: 'a', n: 0.5 }, 1, /\/n must be integer/],
    [{ thingId: 'a', n: 1, text: null }, 1, /\/text/],
    [{ thingId: 'a', n: 1 }, 0, /\/sequence/]
  ]
  for (const [data, sequence, says] of wrong) {
    const work = database.transact(async tx => {
      tx.send('insert into ledger values (1)')
      announce(tx, ThingChanged, data as never, sequence)
    })
    await assert.rejects(work, says)
  }
  assert.deepEqual([await outbox(), await database.query('select * from ledger')], [[], []])
})

test('an event of 256 KiB is announced, and one of a byte more is refused', async () => {
  const announceText = (text: string) => database.transact(async tx => announce(tx, ThingChanged, { thingId: 'a', n: 1, text }, 1))
  await announceText('ä')
  const [row] = await outbox()
  const room = EVENT_BYTES_MAX - Buffer.byteLength(row!.body)
  assert.equal(EVENT_BYTES_MAX, 256 * 1024)
  await announceText(`ä${'x'.repeat(room)}`)
  await assert.rejects(announceText(`ä${'x'.repeat(room + 1)}`), /over 262144 bytes/)
  const rows = await outbox()
  assert.deepEqual(
    rows.map(({ body }) => Buffer.byteLength(body)),
    [EVENT_BYTES_MAX]
  )
})
