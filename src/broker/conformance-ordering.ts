import assert from 'node:assert/strict'
import type { Delivery, Subscription } from './broker.ts'
import type { Promises } from './conformance.ts'
import { inOrder, names, numbered, numberOf, range, recording, until } from './conformance-kit.ts'

/** Order per key, retries, and what may be in flight together. */
export const ordering: Promises = {
  async 'order per key holds across retries, with several members of a group'({ open }) {
    await using broker = await open()
    await using elsewhere = await open()
    const { topic, group } = names()
    const done = new Map<string, number[]>()
    const failed = new Set<number>()
    const member: Subscription = {
      ...recording({ topic, group }),
      async handle(delivery) {
        const n = numberOf(delivery)
        await new Promise(setImmediate)
        if (n % 7 === 3 && !failed.has(n)) {
          failed.add(n)
          if (n % 2) throw new Error('not this time')
          return 'retry'
        }
        done.set(delivery.key, [...(done.get(delivery.key) ?? []), n])
        return 'ack'
      }
    }
    await using _here = await broker.subscribe(member)
    await using _there = await elsewhere.subscribe({ ...member })
    const messages = numbered(topic, 200, n => `key-${n % 10}`)
    for (let from = 0; from < 200; from += 40) await broker.publish(messages.slice(from, from + 40))
    await until('all are done', () => [...done.values()].flat().length >= 200)
    for (const [key, numbers] of done)
      assert.deepEqual(
        numbers,
        range(200).filter(n => `key-${n % 10}` === key)
      )
    assert.ok(failed.size > 20)
  },

  async 'a handler that throws gets the same message again'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({
      ...reader,
      async handle(delivery) {
        await reader.handle(delivery)
        if (reader.got.length < 3) throw new Error('not yet')
        return 'ack'
      }
    })
    await broker.publish(numbered(topic, 2))
    await until('both are done', () => reader.got.length === 4)
    assert.deepEqual(reader.numbers(), [0, 0, 0, 1])
    assert.deepEqual(reader.got[2], reader.got[0])
  },

  async 'other keys flow while one is retried, and nothing of that key overtakes'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const done: Delivery[] = []
    let attempts = 0
    await using _ = await broker.subscribe({
      ...recording({ topic, group }),
      concurrency: 2,
      async handle(delivery) {
        if (numberOf(delivery) === 0 && (++attempts < 3 || done.length < 90)) return 'retry'
        done.push(delivery)
        return 'ack'
      }
    })
    await broker.publish(numbered(topic, 100, n => (n % 10 === 0 ? 'stuck' : `flows-${n % 10}`)))
    await until('all are done', () => done.length === 100)
    assert.deepEqual(
      done.slice(90).map(numberOf),
      range(10).map(n => n * 10)
    )
    assert.ok(attempts >= 3)
  },

  async 'concurrency is reached and kept, and deliveries of one key are never in flight together'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const inFlight: string[] = []
    const { promise: full, resolve: becomeFull } = Promise.withResolvers<void>()
    let most = 0
    let handled = 0
    await using _ = await broker.subscribe({
      ...recording({ topic, group }),
      concurrency: 5,
      async handle({ key }) {
        assert.ok(!inFlight.includes(key))
        inFlight.push(key)
        most = Math.max(most, inFlight.length)
        if (inFlight.length === 5) becomeFull()
        await full
        await new Promise(setImmediate)
        inFlight.splice(inFlight.indexOf(key), 1)
        handled++
        return 'ack'
      }
    })
    await broker.publish(numbered(topic, 60, n => `key-${n % 20}`))
    await until('all are handled', () => handled === 60)
    assert.equal(most, 5)
  },

  async 'a consumer to whom order does not matter gets deliveries of one key together'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const got = new Set<number>()
    await using _ = await broker.subscribe({
      ...recording({ topic, group }),
      concurrency: 4,
      ordered: false,
      async handle(delivery) {
        got.add(numberOf(delivery))
        await until('four are in flight', () => got.size >= 4)
        return 'ack'
      }
    })
    await broker.publish(numbered(topic, 4))
    await until('all have arrived', () => got.size === 4)
  },

  async 'a dead letter is set aside and not delivered again, and later messages of its key flow'({ open, deadLetters }) {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    const messages = numbered(topic, 12)
    const poison = messages[5]!.messageId
    {
      await using _ = await broker.subscribe({
        ...reader,
        async handle(delivery) {
          await reader.handle(delivery)
          return delivery.messageId === poison ? 'dead-letter' : 'ack'
        }
      })
      await broker.publish(messages.slice(0, 10))
      await until('the first have arrived', () => reader.got.length >= 10)
    }
    await until('it is set aside', async () => (await deadLetters(group)).includes(poison))
    await using _ = await broker.subscribe(reader)
    await broker.publish(messages.slice(10))
    await until('the last has arrived', () => reader.numbers().includes(11))
    assert.deepEqual(inOrder(new Set(reader.numbers())), range(12))
    assert.equal(reader.got.filter(delivery => delivery.messageId === poison).length, 1)
    assert.deepEqual(await deadLetters(group), [poison])
  }
}
