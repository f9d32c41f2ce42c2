import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type ChannelModel, type ConsumeMessage, connect, type Options } from 'amqplib'
import { noRabbitMq, testRabbitMqUrl } from '../../test/support/brokers.ts'
import type { Broker, Message } from './broker.ts'
import { conforms } from './conformance.ts'
import { names, numbered, range, recording, until } from './conformance-kit.ts'
import { openLine } from './conformance-line.ts'
import { openRabbitMqBroker } from './rabbitmq.ts'

/** What the tests have declared, deleted at the end: the server may be somebody's own. */
const declared = { topics: new Set<string>(), groups: new Set<string>() }

function remembering(broker: Broker): Broker {
  return {
    ...broker,
    publish(messages) {
      for (const { topic } of messages) declared.topics.add(topic)
      return broker.publish(messages)
    },
    subscribe(subscription) {
      declared.groups.add(subscription.group)
      return broker.subscribe(subscription)
    }
  }
}

/** A connection past the driver, as an operator or somebody else's service has it. */
async function connectDirectly(): Promise<ChannelModel> {
  return await connect(await testRabbitMqUrl(), { noDelay: true })
}

async function deleteDeclared(direct: ChannelModel): Promise<void> {
  const channel = await direct.createChannel()
  for (const group of declared.groups) for (const queue of [group, `${group}.dead-letters`]) await channel.deleteQueue(queue)
  for (const topic of [...declared.topics].filter(topic => /^[\w.-]+$/.test(topic))) await channel.deleteExchange(topic)
  await channel.close()
}

/** Looks into the queue and puts everything back. */
async function idsIn(direct: ChannelModel, queue: string): Promise<string[]> {
  const channel = await direct.createChannel()
  const ids: string[] = []
  for (let next = await channel.get(queue); next; next = await channel.get(queue)) ids.push(next.properties.messageId)
  await channel.close()
  return ids
}

conforms(
  'RabbitMQ',
  async () => {
    const direct = await connectDirectly()
    const line = await openLine(await testRabbitMqUrl())
    return {
      url: line.url,
      open: async () => remembering(await openRabbitMqBroker({ url: line.url })),
      features: { keepsForLaterGroups: false, takeoverMs: 10_000 },
      deadLetters: group => idsIn(direct, `${group}.dead-letters`),
      outage: line.cut,
      async [Symbol.asyncDispose]() {
        await deleteDeclared(direct)
        await line[Symbol.asyncDispose]()
        await direct.close()
      }
    }
  },
  noRabbitMq
)

describe('RabbitMQ as a broker', { skip: noRabbitMq }, () => {
  let direct: ChannelModel
  let url: string
  before(async () => {
    url = await testRabbitMqUrl()
    direct = await connectDirectly()
  })
  after(async () => {
    await deleteDeclared(direct)
    await direct.close()
  })

  const warnings: { details: Record<string, unknown>; message: string }[] = []
  const log = { warn: (details: object, message: string) => void warnings.push({ details: { ...details }, message }) }
  const open = async () => remembering(await openRabbitMqBroker({ url, log }))

  test('others see topic exchanges, routing keys, CloudEvents headers and native properties, and messages that are kept', async () => {
    await using broker = await open()
    const { topic, group } = names()
    await using _ = await broker.subscribe(recording({ topic, group }))
    const channel = await direct.createChannel()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, topic, 'product.*.v1')
    const seen: ConsumeMessage[] = []
    await channel.consume(queue, message => message && seen.push(message))
    const [plain] = numbered(topic, 1) as [Message]
    const attributes = {
      ce_id: 'one',
      ce_source: '/product-service',
      ce_type: 'product.updated.v1',
      ce_time: '2026-11-27T10:00:00.500Z'
    }
    const headers = { 'content-type': 'application/json', ...attributes, ce_partitionkey: 'one-key', traceparent: '00-1-2-01' }
    await broker.publish([{ ...plain, messageId: 'one', routingKey: 'product.updated.v1', headers }])
    await until('it is seen', () => seen.length === 1)
    const { fields, properties, content } = seen[0]!
    assert.equal(fields.exchange, topic)
    assert.equal(fields.routingKey, 'product.updated.v1')
    assert.equal(content.toString(), '{"n":0}')
    const { messageId, type, contentType, appId, timestamp, deliveryMode } = properties
    assert.deepEqual(
      { messageId, type, contentType, appId, timestamp, deliveryMode },
      {
        messageId: 'one',
        type: 'product.updated.v1',
        contentType: 'application/json',
        appId: '/product-service',
        timestamp: Date.parse('2026-11-27T10:00:00Z') / 1000,
        deliveryMode: 2
      }
    )
    assert.deepEqual(
      { ...properties.headers },
      {
        cloudEvents_id: 'one',
        cloudEvents_source: '/product-service',
        cloudEvents_type: 'product.updated.v1',
        cloudEvents_time: '2026-11-27T10:00:00.500Z',
        cloudEvents_partitionkey: 'one-key',
        traceparent: '00-1-2-01'
      }
    )
    await channel.close()
  })

  test('a message of somebody else arrives with whatever it has: no headers at all, or headers of any type', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const channel = await direct.createConfirmChannel()
    channel.publish(topic, 'order.created.v1', Buffer.from('{"orderId":"1"}'))
    channel.publish(topic, '', Buffer.from('2'), {
      contentType: 'application/json',
      messageId: 'theirs',
      headers: {
        'cloudEvents:id': 'two',
        cloudEvents_partitionkey: 'a-key',
        number: 17,
        truth: true,
        nothing: null,
        bytes: Buffer.from('żółć'),
        when: { '!': 'timestamp', value: 1_795_000_000 },
        list: ['a', 1],
        table: { a: { b: 1 } },
        CC: ['nobody.bound']
      }
    })
    await channel.waitForConfirms()
    await channel.close()
    await until('both have arrived', () => reader.got.length === 2)
    const [bare, full] = reader.got.map(({ position: _, body, ...rest }) => ({ ...rest, body: Buffer.from(body).toString() }))
    assert.deepEqual(bare, { topic, key: '', messageId: '', routingKey: 'order.created.v1', headers: {}, body: '{"orderId":"1"}' })
    assert.deepEqual(full, {
      topic,
      key: 'a-key',
      messageId: 'theirs',
      routingKey: '',
      headers: {
        'content-type': 'application/json',
        ce_id: 'two',
        ce_partitionkey: 'a-key',
        number: '17',
        truth: 'true',
        nothing: '',
        bytes: 'żółć',
        when: new Date(1_795_000_000_000).toISOString(),
        list: '["a",1]',
        table: '{"a":{"b":1}}',
        CC: '["nobody.bound"]'
      },
      body: '2'
    })
  })

  test('header names that mean something to RabbitMQ, or to this driver, are carried like any other', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const odd = [
      'CC',
      'BCC',
      'x-death',
      'x-delivery-count',
      'cloudEvents_id',
      'cloudEvents:id',
      'x-partition-key',
      'x-header-CC',
      '__proto__'
    ]
    const headers = Object.fromEntries([...odd, 'ce_id', 'n'].map((name, n) => [name, `${n}`]))
    const [plain] = numbered(topic, 1) as [Message]
    await broker.publish([{ ...plain, headers }])
    await until('it has arrived', () => reader.got.length === 1)
    assert.deepEqual(Object.entries(reader.got[0]!.headers).sort(), Object.entries(headers).sort())
    assert.equal(reader.got[0]!.key, plain.key)
  })

  test('a message that no queue is bound for counts as published, and is told of', async () => {
    await using broker = await open()
    const { topic, group } = names()
    await broker.publish(numbered(topic, 3))
    const told = warnings.filter(({ message }) => message.startsWith('no queue was bound'))
    assert.deepEqual(
      told.map(({ details }) => details.unroutable),
      [{ [`${topic} thing.happened.v1`]: 1 }]
    )
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await broker.publish(numbered(topic, 4).slice(3))
    await until('the next arrives', () => reader.got.length === 1)
    assert.deepEqual(reader.numbers(), [3])
    assert.equal(warnings.filter(({ message }) => message.startsWith('no queue was bound')).length, 1)
  })

  test('publishing rejects when a queue refuses any message, the last as well, and sends nothing more of that batch', async () => {
    await using broker = await open()
    const { topic } = names()
    const channel = await direct.createChannel()
    declared.topics.add(topic)
    await channel.assertExchange(topic, 'topic', { durable: true })
    const full = { arguments: { 'x-max-length': 100, 'x-overflow': 'reject-publish' } }
    const { queue } = await channel.assertQueue('', { exclusive: true, ...full })
    await channel.bindQueue(queue, topic, '#')
    const { queue: whole } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(whole, topic, '#')
    await assert.rejects(broker.publish(numbered(topic, 110)), /has not taken a message: a queue is full/)
    await assert.rejects(broker.publish(numbered(topic, 5_000)), /has not taken a message: a queue is full/)
    await channel.unbindQueue(queue, topic, '#')
    // Accepted after everything that was sent before it.
    await broker.publish(numbered(topic, 1))
    const { messageCount } = await channel.checkQueue(whole)
    assert.ok(messageCount < 1_500, `${messageCount} were sent`)
    await channel.close()
  })

  test('a group has one active member: the next takes over where it left, in order', async () => {
    await using broker = await open()
    await using elsewhere = await open()
    const { topic, group } = names()
    const [first, second] = [recording({ topic, group }), recording({ topic, group })]
    const leaving = await broker.subscribe({
      ...first,
      concurrency: 1,
      handle: async delivery => (first.got.length < 30 ? first.handle(delivery) : 'retry')
    })
    await using _ = await elsewhere.subscribe(second)
    await broker.publish(numbered(topic, 100, n => `${n % 7}`))
    await until('the first has had enough', () => first.got.length === 30)
    assert.equal(second.got.length, 0)
    await leaving[Symbol.asyncDispose]()
    await until('the second has the rest', () => second.got.length === 70)
    assert.deepEqual(second.numbers(), range(100).slice(30))
  })

  test('thousands of messages flow past a key that is stuck', async () => {
    await using broker = await open()
    const { topic, group } = names()
    let stuck = true
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({
      ...reader,
      handle: async delivery => (delivery.key === 'stuck' && stuck ? 'retry' : reader.handle(delivery))
    })
    await broker.publish(numbered(topic, 3_000, n => (n % 30 === 0 ? 'stuck' : `${n % 40}`)))
    await until('the others are done', () => reader.got.length === 2_900)
    stuck = false
    await until('so are those', () => reader.got.length === 3_000)
    assert.deepEqual(
      reader.numbers().slice(2_900),
      range(100).map(n => n * 30)
    )
  })

  test('a dead letter that an operator moves back into the queue arrives as it was', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    let poisonous = true
    await using _ = await broker.subscribe({
      ...reader,
      handle: async delivery => {
        await reader.handle(delivery)
        return poisonous ? 'dead-letter' : 'ack'
      }
    })
    await broker.publish(numbered(topic, 1))
    const channel = await direct.createChannel()
    await until('it is set aside', async () => (await channel.checkQueue(`${group}.dead-letters`)).messageCount === 1)
    poisonous = false
    const letter = await channel.get(`${group}.dead-letters`)
    assert.ok(letter)
    channel.sendToQueue(group, letter.content, letter.properties as Options.Publish)
    channel.ack(letter)
    await until('it has arrived again', () => reader.got.length === 2)
    const [first, again] = reader.got.map(({ position: _, ...message }) => message)
    assert.deepEqual(again, first)
    await channel.close()
  })

  test('what a member holds and cannot settle counts as waiting', async () => {
    await using broker = await open()
    const { topic, group } = names()
    let stuck = true
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({ ...reader, handle: async delivery => (stuck ? 'retry' : reader.handle(delivery)) })
    await broker.publish(numbered(topic, 600))
    const told = async () => (await broker.waiting!([{ group, topics: [topic] }])).get(group)
    await until('all of them wait', async () => (await told()) === 600)
    stuck = false
    await until('none waits', async () => (await told()) === 0)
  })

  test('a queue that is deleted while it is consumed is declared again', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await broker.publish(numbered(topic, 1))
    await until('the first arrives', () => reader.got.length === 1)
    const channel = await direct.createChannel()
    await channel.deleteQueue(group)
    await channel.close()
    await until('messages arrive again', async () => {
      await broker.publish(numbered(topic, 1))
      return reader.got.length > 1
    })
  })

  test('an exchange that is deleted under a publisher is declared again', async () => {
    await using broker = await open()
    const { topic } = names()
    await broker.publish(numbered(topic, 1))
    const channel = await direct.createChannel()
    await channel.deleteExchange(topic)
    await assert.rejects(broker.publish(numbered(topic, 1)), /NOT_FOUND - no exchange/)
    await broker.publish(numbered(topic, 1))
    await channel.checkExchange(topic)
    await channel.close()
  })

  test('what was declared otherwise before is said plainly, with what to do', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const channel = await direct.createChannel()
    declared.topics.add(topic)
    await channel.assertExchange(topic, 'fanout', { durable: true })
    await channel.assertQueue(group, { durable: true })
    await assert.rejects(broker.publish(numbered(topic, 1)), error => {
      assert.match(
        String(error),
        new RegExp(`the exchange '${topic}' cannot be declared: .*inequivalent arg 'type'.*It is there as another kind: delete it`)
      )
      return true
    })
    await assert.rejects(broker.subscribe(recording({ topic, group })), error => {
      assert.match(
        String(error),
        new RegExp(`the queue '${group}' cannot be declared: .*inequivalent arg.*let it run empty and delete it`)
      )
      return true
    })
    await channel.close()
  })

  test('a wrong password, an unknown virtual host and a broker that is away are said plainly, without the password', async () => {
    const refusals: [change: (url: URL) => void, expected: RegExp][] = [
      [
        url => Object.assign(url, { username: 'somebody', password: 'secret' }),
        /refuses the user 'somebody' or the password: check BROKER_URL/
      ],
      [
        url => Object.assign(url, { pathname: '/nowhere' }),
        /the user 'guest' may not use the virtual host 'nowhere', or it is not there/
      ],
      [url => Object.assign(url, { port: '1', password: 'secret' }), /RabbitMQ at 127.0.0.1:1 cannot be reached: .*ECONNREFUSED/]
    ]
    for (const [change, expected] of refusals) {
      const wrong = new URL(url)
      change(wrong)
      await assert.rejects(openRabbitMqBroker({ url: wrong.href }), error => {
        assert.match(String(error), expected)
        assert.doesNotMatch(String(error), /secret/)
        return true
      })
    }
  })

  test('a user name and a password beside the URL count more than those in it', async () => {
    const wrong = new URL(url)
    wrong.username = wrong.password = 'wrong'
    const { username, password } = new URL(url)
    await using broker = await openRabbitMqBroker({ url: wrong.href, username, password })
    assert.equal(broker.system, 'rabbitmq')
  })
})
