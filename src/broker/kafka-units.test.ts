/** What of the Kafka driver needs no Kafka: addresses, places of keys, records, batches. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compatibilityPartitioner } from '@platformatic/kafka'
import fc from 'fast-check'
import { readConfig } from '#platform/config.ts'
import { numbered } from './conformance-kit.ts'
import { parseKafkaUrl } from './kafka-address.ts'
import { batchesOf } from './kafka-batches.ts'
import { committedRecords } from './kafka-committed.ts'
import { murmur2, partitionOf } from './kafka-partition.ts'
import { headersOf, toDelivery } from './kafka-records.ts'
import { openSlots } from './kafka-slots.ts'

test('a URL names one broker or several, with a user, and TLS by its scheme', () => {
  assert.deepEqual(parseKafkaUrl('kafka://one'), { brokers: [{ host: 'one', port: 9092 }], secure: false })
  assert.deepEqual(parseKafkaUrl('kafkas://user:p%40ss:wo@rd@one:1,[::1]:2,three.example/'), {
    brokers: [
      { host: 'one', port: 1 },
      { host: '::1', port: 2 },
      { host: 'three.example', port: 9092 }
    ],
    secure: true,
    username: 'user',
    password: 'p@ss:wo@rd'
  })
  for (const bad of [
    'kafka://',
    'kafka://u:secret@',
    'kafka://u:secret@a:b',
    'kafka://u:secret@a,',
    'kafka://u:secret@a:0',
    'http://u:secret@a'
  ])
    assert.throws(
      () => parseKafkaUrl(bad),
      (error: Error) => /kafka:\/\/host:port/.test(error.message) && !error.message.includes('secret')
    )
})

test('the settings take a list of brokers, of Kafka only', () => {
  for (const BROKER_URL of ['kafka://a:1,b:2', 'kafkas://user:secret@a,b:2,c'])
    assert.equal(readConfig({ BROKER_URL }).BROKER_URL, BROKER_URL)
  for (const BROKER_URL of ['amqp://a:1,b:2', 'kafka://a b'])
    assert.throws(() => readConfig({ BROKER_URL }), /BROKER_URL: must be a URL/)
})

test("a key's hash is the one that Kafka's own tests expect", () => {
  const vectors = {
    '21': -973932308,
    foobar: -790332482,
    'a-little-bit-long-string': -985981536,
    'a-little-bit-longer-string': -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    abc: 479470107
  }
  for (const [key, hash] of Object.entries(vectors)) assert.equal(murmur2(Buffer.from(key)), hash, key)
})

test('every key is in the partition where any other Kafka client puts it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 100 }), (bytes, partitions) => {
      const key = Buffer.from(bytes)
      assert.equal(partitionOf(key, partitions), compatibilityPartitioner({ topic: 't' }, key) % partitions)
    })
  )
})

test('an id and a routing key that CloudEvents attributes do not say travel in headers of their own, which nobody sees', () => {
  const [plain] = numbered('topic', 1)
  const event = { ...plain!, headers: { ce_id: plain!.messageId, ce_type: plain!.routingKey } }
  const wire = (message: typeof event) => [...headersOf(message)] as [Buffer, Buffer][]
  assert.equal(wire(event).length, 2)
  assert.equal(wire({ ...event, messageId: 'other' }).length, 3)
  for (const message of [plain!, event, { ...event, messageId: '', routingKey: 'other' }]) {
    const record = { key: Buffer.from(message.key), value: Buffer.from(message.body), headers: wire(message as typeof event) }
    const { position, ...arrived } = toDelivery('topic', 3, 17, record)
    assert.equal(position, 'topic/3@17')
    assert.deepEqual(arrived, message)
  }
})

test('batches keep the order of each partition, and a large message goes alone', () => {
  const messages = numbered('topic', 2_000, n => `${n % 7}`).map((message, n) => ({
    ...message,
    body: new Uint8Array(n % 500 === 0 ? 1_000_000 : 1_000)
  }))
  const outgoing = messages.map(message => ({ message, accepted() {}, refused() {} }))
  const queues = batchesOf(outgoing, ({ key }) => partitionOf(Buffer.from(key), 3))
  assert.ok(queues.length > 1)
  for (const queue of queues) {
    for (const { bytes, outgoing } of queue) assert.ok(bytes < 800_000 || outgoing.length === 1)
    const sent = queue.flatMap(({ outgoing }) => outgoing.map(({ message }) => Number(message.headers.n)))
    assert.deepEqual(
      sent,
      sent.toSorted((one, other) => one - other)
    )
  }
  assert.equal(
    queues.flat().reduce((sum, { outgoing }) => sum + outgoing.length, 0),
    2_000
  )
})

test('of transactions only the committed are handed out, and reading passes what is not', () => {
  const record = (offsetDelta: number) => ({ offsetDelta, key: null, value: Buffer.from(`${offsetDelta}`), headers: [] })
  const batch = (firstOffset: number, count: number, producerId: number, attributes: number) => ({
    ...{ firstOffset: BigInt(firstOffset), lastOffsetDelta: count - 1, producerId: BigInt(producerId), attributes },
    records: Array.from({ length: count }, (_, n) => record(n))
  })
  const [transactional, control] = [16, 32 | 16]
  const batches = [
    batch(10, 3, 1, transactional),
    batch(13, 2, 2, transactional),
    batch(15, 1, -1, 0),
    batch(16, 1, 1, control),
    batch(17, 1, 1, transactional),
    batch(18, 1, 2, control)
  ] as unknown as Parameters<typeof committedRecords>[0]
  const from = (offset: number) => {
    const { records, next } = committedRecords(batches, [{ producerId: 1n, firstOffset: 10n }], offset)
    return [records.map(([offset]) => offset), next]
  }
  assert.deepEqual(from(10), [[13, 14, 15, 17], 19])
  assert.deepEqual(from(14), [[14, 15, 17], 19])
})

test('slots are given in turn, and who leaves takes none', async () => {
  const slots = openSlots(1)
  const ends = new AbortController()
  const stays = new AbortController().signal
  assert.equal(slots.take(stays), true)
  const leaving = slots.take(ends.signal)
  const staying = slots.take(stays)
  ends.abort()
  assert.equal(await leaving, false)
  slots.give()
  assert.equal(await staying, true)
  slots.give()
  assert.equal(slots.take(stays), true)
  assert.equal(slots.take(ends.signal), false)
})
