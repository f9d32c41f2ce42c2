import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Admin, Producer } from '@platformatic/kafka'
import { noKafka, noOwnKafka, testKafkaUrl } from '../../test/support/brokers.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startKafka } from '../../test/support/kafka-server.ts'
import { type Broker, type Message, MessagesRefused } from './broker.ts'
import { conforms } from './conformance.ts'
import { inOrder, names, numbered, numberOf, range, recording, until } from './conformance-kit.ts'
import { openLine } from './conformance-line.ts'
import { openKafkaBroker } from './kafka.ts'

/** The ids in the dead letters of groups, read as any group reads a topic. */
function deadLetterReader(broker: Broker): (group: string) => Promise<readonly string[]> {
  const readers = new Map<string, Promise<ReturnType<typeof recording>>>()
  async function read(group: string): Promise<ReturnType<typeof recording>> {
    const reader = recording({ topic: `${group}.dead-letters`, group: `${group}.dead-letters-reader` })
    await broker.subscribe(reader)
    return reader
  }
  return async group => {
    const reader = readers.get(group) ?? read(group)
    readers.set(group, reader)
    return (await reader).got.map(({ messageId }) => messageId)
  }
}

conforms(
  'Kafka',
  async () => {
    const port = await freePort()
    // Clients go where the server says it is: the line.
    const line = await openLine(`kafka://127.0.0.1:${port}`)
    const server = await startKafka({ port, advertisedPort: Number(new URL(line.url).port) })
    const operator = await openKafkaBroker({ url: line.url })
    return {
      url: line.url,
      open: () => openKafkaBroker({ url: line.url }),
      features: { keepsForLaterGroups: true, takeoverMs: 20_000 },
      deadLetters: deadLetterReader(operator),
      outage: line.cut,
      async [Symbol.asyncDispose]() {
        await operator[Symbol.asyncDispose]()
        await server[Symbol.asyncDispose]()
        await line[Symbol.asyncDispose]()
      }
    }
  },
  noOwnKafka
)

describe('Kafka as a broker', { skip: noKafka }, () => {
  let url: string
  let admin: Admin
  let plain: { clientId: string; bootstrapBrokers: string[] }
  before(async () => {
    url = await testKafkaUrl()
    plain = { clientId: 'plain', bootstrapBrokers: [url.replace('kafka://', '')] }
    admin = new Admin(plain)
  })
  after(() => admin?.close())
  const open = () => openKafkaBroker({ url })

  async function committed(group: string, topic: string): Promise<number[]> {
    const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
    const offsets: number[] = []
    for (const { partitionIndex, committedOffset } of found?.topics.find(({ name }) => name === topic)?.partitions ?? [])
      offsets[partitionIndex] = Number(committedOffset)
    return offsets
  }

  async function ends(topic: string): Promise<number[]> {
    const partitions = range(12).map(partitionIndex => ({ partitionIndex, timestamp: -1n }))
    const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] })
    const offsets: number[] = []
    for (const { partitionIndex, offset } of found!.partitions) offsets[partitionIndex] = Number(offset)
    return offsets
  }

  test('what a plain client publishes arrives: what it left out is empty, and of headers with one name the last counts', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const producer = new Producer(plain)
    const headers = new Map([
      [Buffer.from('twice'), Buffer.from('no')],
      [Buffer.from('ce_id'), Buffer.from('its-id')],
      [Buffer.from('twice'), Buffer.from('yes')]
    ])
    await producer.send({ messages: [{ topic, value: Buffer.from('all') }], acks: -1 })
    await until('it has arrived', () => reader.got.length === 1)
    const bare = { topic, key: Buffer.from('k'), headers } as unknown as { topic: string; value: Buffer }
    await producer.send({ messages: [bare], acks: -1 })
    await until('both have arrived', () => reader.got.length === 2)
    await producer.close()
    const [first, second] = reader.got.map(({ position: _, body, ...rest }) => ({ ...rest, body: Buffer.from(body).toString() }))
    assert.deepEqual(first, { topic, key: '', messageId: '', routingKey: '', headers: {}, body: 'all' })
    assert.deepEqual(second, {
      topic,
      key: 'k',
      messageId: 'its-id',
      routingKey: '',
      headers: { twice: 'yes', ce_id: 'its-id' },
      body: ''
    })
  })

  test('what somebody publishes in a transaction arrives when that is committed, and never when it is aborted', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const producer = new Producer({ ...plain, idempotent: true, transactionalId: topic })
    for (const outcome of ['abort', 'commit'] as const) {
      const transaction = await producer.beginTransaction()
      await transaction.send({ messages: range(5).map(n => ({ topic, key: Buffer.from(`${n}`), value: Buffer.from(outcome) })) })
      await transaction[outcome]()
    }
    await producer.close()
    await until('the committed have arrived', () => reader.got.length >= 5)
    await until('the offsets behind all are committed', async () => {
      const [all, done] = [await ends(topic), await committed(group, topic)]
      return all.every((end, partition) => end === (done[partition] ?? 0))
    })
    assert.deepEqual(
      reader.got.map(({ body }) => Buffer.from(body).toString()),
      range(5).map(() => 'commit')
    )
  })

  test('a message too large for its topic is refused by name, and its neighbours are carried', async () => {
    await using broker = await open()
    const { topic, group } = names()
    await admin.createTopics({
      topics: [topic],
      partitions: 1,
      replicas: 1,
      configs: [{ name: 'max.message.bytes', value: '10000' }]
    })
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const messages = numbered(topic, 40).map((message, n) => ({
      ...message,
      body: new Uint8Array(n === 7 || n === 23 ? 20_000 : 1_000)
    }))
    await assert.rejects(broker.publish(messages), error => {
      assert.ok(error instanceof MessagesRefused)
      assert.deepEqual(error.messageIds, [messages[7]!.messageId, messages[23]!.messageId])
      return true
    })
    await broker.publish(numbered(topic, 41).slice(40))
    await until('the others have arrived', () => reader.got.length === 39)
    assert.deepEqual(
      reader.numbers(),
      range(41).filter(n => n !== 7 && n !== 23)
    )
  })

  test('a topic that Kafka cannot have refuses its messages only', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const [good, bad] = numbered(topic, 2) as [Message, Message]
    await assert.rejects(broker.publish([{ ...bad, topic: '..' }, good]), error => {
      assert.ok(error instanceof MessagesRefused)
      assert.deepEqual(error.messageIds, [bad.messageId])
      return true
    })
    await until('the other has arrived', () => reader.got.length === 1)
  })

  test('only what has nothing unfinished before it is committed, and thousands of messages flow past a key that is stuck', async () => {
    await using broker = await open()
    const { topic, group } = names()
    let stuck = true
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({
      ...reader,
      handle: async delivery => (delivery.key === 'stuck' && stuck ? 'retry' : reader.handle(delivery))
    })
    const messages = numbered(topic, 6_000, n => (n === 0 ? 'stuck' : `${n % 40}`))
    for (let from = 0; from < 6_000; from += 1_000) await broker.publish(messages.slice(from, from + 1_000))
    await until('the others are done', () => reader.got.length === 5_999)
    const all = await ends(topic)
    const handled = Map.groupBy(reader.got, delivery => partitionIn(delivery.position))
    const behind = all.findIndex((end, partition) => end > (handled.get(`${partition}`)?.length ?? 0))
    await until('the other partitions are committed', async () => {
      const done = await committed(group, topic)
      return all.every((end, partition) => partition === behind || (done[partition] ?? 0) === end)
    })
    assert.ok(((await committed(group, topic))[behind] ?? 0) <= 0)
    stuck = false
    await until('its partition is committed too', async () => (await committed(group, topic))[behind] === all[behind])
  })

  test('what a group had not read when Kafka deleted it is passed over, to the first message kept and never to the last', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 })
    {
      await using _ = await broker.subscribe(reader)
      await broker.publish(numbered(topic, 10))
      await until('they have arrived', () => reader.got.length === 10)
    }
    await broker.publish(numbered(topic, 50).slice(10))
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 30n }] }] })
    await using _ = await broker.subscribe(reader)
    await until('the rest has arrived', () => reader.numbers().includes(49))
    assert.deepEqual(reader.numbers(), [...range(10), ...range(50).slice(30)])
  })

  test('partitions that a topic gains are read from their first message', { timeout: 150_000 }, async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 })
    await using _ = await broker.subscribe(reader)
    await broker.publish(numbered(topic, 1))
    await until('it has arrived', () => reader.got.length === 1)
    await admin.createPartitions({ topics: [{ name: topic, count: 4, assignments: null }] } as never)
    const producer = new Producer(plain)
    for (const partition of range(4))
      await producer.send({ messages: [{ topic, partition, value: Buffer.from(''), headers: new Map() }], acks: -1 } as never)
    await producer.close()
    await until('all have arrived', () => reader.got.length === 5, 140_000)
    assert.deepEqual(inOrder(reader.got.slice(1).map(({ position }) => Number(partitionIn(position)))), range(4))
  })

  test('a broker that is away, or that nobody knows, is said plainly at opening', async () => {
    await assert.rejects(openKafkaBroker({ url: 'kafka://someone:secret@127.0.0.1:1' }), error => {
      assert.match(String(error), /the Kafka broker cannot be opened: .*ECONNREFUSED/)
      assert.doesNotMatch(String(error), /secret/)
      return true
    })
  })

  test('one consumer group may be in many hands: what is published by many at once arrives once each', async () => {
    await using broker = await open()
    await using elsewhere = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const messages = numbered(topic, 1_000, n => `${n % 30}`)
    await Promise.all(range(20).map(n => (n % 2 === 0 ? broker : elsewhere).publish(messages.slice(n * 50, n * 50 + 50))))
    await until('all have arrived', () => reader.got.length >= 1_000)
    assert.deepEqual(inOrder(reader.got.map(numberOf)), range(1_000))
  })
})

function partitionIn(position: string): string {
  return /\/(\d+)@/.exec(position)?.[1] ?? 'none'
}
