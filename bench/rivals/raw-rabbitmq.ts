/** A quorum queue behind a topic exchange: publisher confirms, 500 in flight; and a consumer that acknowledges each message. */
import { once } from 'node:events'
import { connect } from 'amqplib'
import { IN_FLIGHT, type RawBroker } from './raw-broker.ts'

const EXCHANGE = 'raw'

export async function openRawRabbitMq(url: string): Promise<RawBroker> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  await channel.assertExchange(EXCHANGE, 'topic')
  await channel.assertQueue(EXCHANGE, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  await channel.bindQueue(EXCHANGE, EXCHANGE, '#')
  await channel.purgeQueue(EXCHANGE)
  await channel.prefetch(IN_FLIGHT)
  return {
    async publish(messages) {
      let unconfirmed = 0
      let confirmed = () => {}
      for (const { routingKey, messageId, headers, body } of messages) {
        if (unconfirmed >= IN_FLIGHT)
          await new Promise<void>(resolve => {
            confirmed = resolve
          })
        unconfirmed++
        const more = channel.publish(
          EXCHANGE,
          routingKey,
          Buffer.from(body),
          { persistent: true, mandatory: true, messageId, headers },
          () => {
            unconfirmed--
            confirmed()
          }
        )
        if (!more) await once(channel, 'drain')
      }
      await channel.waitForConfirms()
    },
    async consume(count) {
      let read = 0
      const all = Promise.withResolvers<void>()
      const { consumerTag } = await channel.consume(EXCHANGE, message => {
        if (!message) return
        channel.ack(message)
        if (++read === count) all.resolve()
      })
      await all.promise
      await channel.cancel(consumerTag)
    },
    async [Symbol.asyncDispose]() {
      await channel.deleteQueue(EXCHANGE)
      await connection.close()
    }
  }
}
