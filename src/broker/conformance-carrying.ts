import assert from 'node:assert/strict'
import { type Delivery, type Message, MessagesRefused } from './broker.ts'
import type { Promises } from './conformance.ts'
import { inOrder, names, numbered, range, recording, until } from './conformance-kit.ts'
import { limits } from './limits.ts'

/** Who gets what, and that it is what was sent. */
export const carrying: Promises = {
  async 'a message arrives byte for byte, with its headers'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const [plain] = numbered(topic, 1) as [Message]
    const sent: Message[] = [
      { ...plain, messageId: 'bytes', body: Uint8Array.from(range(256)) },
      { ...plain, messageId: 'empty', headers: {}, body: new Uint8Array() },
      { ...plain, messageId: 'view', body: new Uint8Array([9, 1, 2, 9]).subarray(1, 3) },
      {
        ...plain,
        messageId: 'words',
        headers: { 'ce-quote': `"'\\{},`, unicode: 'żółć 🛒', empty: '' },
        body: Buffer.from('żółć 🛒 \\x00')
      },
      { ...plain, messageId: 'json', routingKey: 'a.b.v1', body: Buffer.from('{ "amount" : 1.10, "b":null }\n') }
    ]
    await broker.publish(sent)
    await until('all have arrived', () => reader.got.length === sent.length)
    assert.deepEqual(
      reader.got.map(withoutPosition),
      sent.map(message => ({ ...message, body: [...message.body] }))
    )
    for (const delivery of reader.got) assert.match(delivery.position, new RegExp(topic))
  },

  async 'every group gets every message of its topics'({ open }) {
    await using broker = await open()
    const [first, second] = [names(), names()]
    const one = recording(first)
    const other = { ...recording(second), topics: [first.topic, second.topic] }
    await using _one = await broker.subscribe(one)
    await using _other = await broker.subscribe(other)
    await broker.publish([...numbered(first.topic, 30, n => `${n % 3}`), ...numbered(second.topic, 30)])
    await until('both have theirs', () => one.got.length >= 30 && other.got.length >= 60)
    assert.deepEqual(inOrder(one.numbers()), range(30))
    assert.deepEqual(inOrder(other.numbers()), inOrder([...range(30), ...range(30)]))
  },

  async 'within a group each message goes to one member'({ open }) {
    await using broker = await open()
    await using elsewhere = await open()
    const { topic, group } = names()
    const members = [recording({ topic, group }), recording({ topic, group })] as const
    await using _here = await broker.subscribe(members[0])
    await using _there = await elsewhere.subscribe(members[1])
    await broker.publish(numbered(topic, 200, n => `${n % 20}`))
    const numbers = () => members.flatMap(member => member.numbers())
    await until('all have arrived', () => numbers().length >= 200)
    assert.deepEqual(inOrder(numbers()), range(200))
  },

  async 'a group that subscribes later gets what was kept, and everything from then on'({ open, features }) {
    await using broker = await open()
    const { topic, group } = names()
    await broker.publish(numbered(topic, 20))
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await broker.publish(numbered(topic, 21).slice(20))
    await until('the last has arrived', () => reader.numbers().includes(20))
    assert.deepEqual(reader.numbers(), features.keepsForLaterGroups ? range(21) : [20])
  },

  async 'a message over the limits is refused by name, its neighbours are carried, and one at the limits is carried'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const [before, after, most, ...rest] = numbered(topic, 9) as [Message, Message, Message, ...Message[]]
    const longest = {
      key: 'ö'.repeat(limits.keyBytes / 2),
      messageId: 'm'.repeat(limits.messageIdBytes),
      body: new Uint8Array(limits.bodyBytes)
    }
    const faults: Partial<Message>[] = [
      { body: new Uint8Array(limits.bodyBytes + 1) },
      { key: `${longest.key}.` },
      { key: 'nul\0' },
      { headers: { surrogate: '\ud800' } },
      { headers: { long: 'h'.repeat(limits.headersBytes + 1) } },
      { topic: 'no such topic' }
    ]
    const refused = rest.map((message, index) => ({ ...message, ...faults[index] }))
    await assert.rejects(broker.publish([before, ...refused, { ...most, ...longest }, after]), error => {
      assert.ok(error instanceof MessagesRefused)
      assert.deepEqual(
        error.messageIds,
        refused.map(message => message.messageId)
      )
      return true
    })
    await until('the others have arrived', () => reader.got.length >= 3)
    assert.deepEqual(inOrder(reader.numbers()), [0, 1, 2])
  }
}

function withoutPosition({ position: _, ...message }: Delivery): unknown {
  return { ...message, headers: { ...message.headers }, body: [...message.body] }
}
