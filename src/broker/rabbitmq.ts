/**
 * Messages over RabbitMQ, from 3.10 on: a topic exchange per topic, a quorum queue per consumer group. A message that no queue is
 * bound for counts as published: RabbitMQ keeps nothing for groups that it does not know.
 */
import { type Broker, type Message, MessagesRefused } from './broker.ts'
import { refusal } from './limits.ts'
import { openLink, type RabbitMqOptions } from './rabbitmq-connection.ts'
import { openPublisher } from './rabbitmq-publisher.ts'
import { type Member, openRabbitMqSubscription } from './rabbitmq-subscription.ts'
import { readyIn } from './rabbitmq-waiting.ts'

/** Rejects when RabbitMQ is away; afterwards the driver outlives its outages. */
export async function openRabbitMqBroker(options: RabbitMqOptions): Promise<Broker> {
  const { log } = options
  const publishing = openLink(options, 'publishing')
  const consuming = openLink(options, 'consuming')
  const members = new Set<Member>()
  await publishing.connection()
  const publisher = openPublisher(publishing, log)

  async function publish(messages: readonly Message[]): Promise<void> {
    const refused = new Map<Message, string>()
    const accepted = messages.filter(message => {
      const reason = refusal(message) ?? reserved(message)
      if (reason) refused.set(message, reason)
      return !reason
    })
    if (accepted.length > 0) await publisher.publish(accepted, refused)
    if (refused.size > 0) {
      const ids = messages.filter(message => refused.has(message)).map(message => message.messageId)
      throw new MessagesRefused(ids, [...new Set(refused.values())].slice(0, 5).join('; '))
    }
  }

  return {
    system: 'rabbitmq',
    publish,
    async subscribe(subscription) {
      const member = await openRabbitMqSubscription(consuming, subscription, log)
      members.add(member)
      return {
        async [Symbol.asyncDispose]() {
          members.delete(member)
          await member[Symbol.asyncDispose]()
        }
      }
    },
    async waiting(groups) {
      const names = groups.map(({ group }) => group)
      const waiting = await readyIn(consuming, names)
      for (const { group, held } of members) if (waiting.has(group)) waiting.set(group, waiting.get(group)! + held)
      return waiting
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(Array.from(members, member => member[Symbol.asyncDispose]()))
      await Promise.all([publishing, consuming].map(link => link[Symbol.asyncDispose]()))
    }
  }
}

function reserved({ topic }: Message): string | undefined {
  return topic.startsWith('amq.') ? `the topic '${topic}' has a name that RabbitMQ keeps for itself` : undefined
}
