import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from 'amqplib'
import fc from 'fast-check'
import { range } from './conformance-kit.ts'
import { openAcks } from './rabbitmq-acks.ts'

/** The unacknowledged deliveries of a channel, as RabbitMQ keeps them: it closes the channel over a tag that it does not know. */
function channelWith(count: number) {
  const unacknowledged = new Set(range(count).map(n => n + 1))
  const acknowledged: number[] = []
  const rejected: number[] = []
  let frames = 0
  function take({ fields: { deliveryTag } }: Message, multiple: boolean): number[] {
    frames++
    assert.ok(unacknowledged.has(deliveryTag), `delivery ${deliveryTag} is not known`)
    const tags = [...unacknowledged].filter(tag => tag === deliveryTag || (multiple && tag < deliveryTag))
    for (const tag of tags) unacknowledged.delete(tag)
    return tags
  }
  return {
    acknowledged,
    rejected,
    frames: () => frames,
    ack: (message: Message, allUpTo = false) => void acknowledged.push(...take(message, allUpTo)),
    reject: (message: Message) => void rejected.push(...take(message, false))
  }
}

const COUNT = 60

test('whatever the order in which deliveries are settled, exactly those are acknowledged, and each once', () => {
  const order = fc.shuffledSubarray(range(COUNT).map(n => n + 1))
  fc.assert(
    fc.property(order, fc.array(fc.nat(6)), (tags, pauses) => {
      const channel = channelWith(COUNT)
      const acks = openAcks(channel)
      for (const [index, tag] of tags.entries()) {
        acks.settle(tag, tag % 7 === 0 ? 'dead-letter' : 'ack')
        if (pauses[index % (pauses.length || 1)] === 0) acks.flush()
        const settled = new Set(tags.slice(0, index + 1))
        for (const each of [...channel.acknowledged, ...channel.rejected]) assert.ok(settled.has(each))
      }
      acks.flush()
      const inOrder = (numbers: number[]) => numbers.toSorted((one, other) => one - other)
      assert.deepEqual(inOrder(channel.acknowledged), inOrder(tags.filter(tag => tag % 7 !== 0)))
      assert.deepEqual(inOrder(channel.rejected), inOrder(tags.filter(tag => tag % 7 === 0)))
    })
  )
})

test('deliveries that are settled together are acknowledged in one frame', async () => {
  const channel = channelWith(COUNT)
  const acks = openAcks(channel)
  for (const n of range(COUNT)) acks.settle(n + 1, 'ack')
  await new Promise(setImmediate)
  assert.equal(channel.acknowledged.length, COUNT)
  assert.equal(channel.frames(), 1)
})
