/** A topic of one partition: an idempotent producer with acks=all, 500 messages a request; and a consumer that commits at its end. */
import { randomUUID } from 'node:crypto'
import { Consumer, MessagesStreamModes, ProduceAcks, Producer } from '@platformatic/kafka'
import { batchesOf, type RawBroker } from './raw-broker.ts'

const TOPIC = 'raw'

export async function openRawKafka(url: string): Promise<RawBroker> {
  const options = { clientId: 'bench', bootstrapBrokers: [new URL(url).host], autocreateTopics: true }
  const producer = new Producer({ ...options, idempotent: true, acks: ProduceAcks.ALL })
  let consumer: Consumer
  return {
    async publish(messages) {
      for (const batch of batchesOf(messages)) {
        const sent = batch.map(({ key, headers, body }) => ({
          topic: TOPIC,
          key: Buffer.from(key),
          value: Buffer.from(body),
          headers: new Map(Object.entries(headers).map(([name, value]) => [Buffer.from(name), Buffer.from(value)]))
        }))
        await producer.send({ messages: sent })
      }
    },
    async join() {
      consumer = new Consumer({ ...options, groupId: `raw.${randomUUID()}` })
      consumer.topics.trackAll(TOPIC)
      await consumer.joinGroup({})
    },
    async consume(count) {
      const stream = await consumer.consume({ topics: [TOPIC], mode: MessagesStreamModes.EARLIEST, autocommit: false })
      let read = 0
      for await (const message of stream) {
        if (++read < count) continue
        await message.commit()
        break
      }
      await consumer.close(true)
    },
    [Symbol.asyncDispose]: () => producer.close()
  }
}
