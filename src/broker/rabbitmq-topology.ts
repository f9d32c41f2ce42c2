/** What RabbitMQ is told to have: a durable topic exchange per topic; per consumer group a quorum queue, and one beside it for its dead letters. */
import type { Channel } from 'amqplib'
import type { Subscription } from './broker.ts'
import { describe } from './rabbitmq-connection.ts'

/**
 * How often a message may be returned to its queue before it is taken for one that can never be handled. Whatever a member held
 * when it died is counted, not only the message that it died of: hence so many.
 */
const DELIVERY_LIMIT = 1_000

export async function declareTopic(channel: Channel, topic: string): Promise<void> {
  const declared = channel.assertExchange(topic, 'topic', { durable: true })
  await plainly(declared, `the exchange '${topic}'`, 'It is there as another kind: delete it, and it is declared anew')
}

/** Declares everything that the group needs and binds its topics whole; what is there already stays as it is. */
export async function declareGroup(channel: Channel, { group, topics }: Pick<Subscription, 'group' | 'topics'>): Promise<void> {
  const deadLetters = deadLettersOf(group)
  // People look into it and put back what they saw, which must not use a message up.
  await declareQueue(channel, deadLetters, { 'x-delivery-limit': 1_000_000 })
  await declareQueue(channel, group, {
    'x-single-active-consumer': true,
    'x-delivery-limit': DELIVERY_LIMIT,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': deadLetters,
    // Without the second, RabbitMQ takes the first back to at-most-once.
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish'
  })
  for (const topic of topics) {
    await declareTopic(channel, topic)
    await plainly(channel.bindQueue(group, topic, '#'), `the binding of '${group}' to '${topic}'`)
  }
}

/** Where RabbitMQ keeps what the group has set aside. */
export function deadLettersOf(group: string): string {
  return `${group}.dead-letters`
}

async function declareQueue(channel: Channel, queue: string, options: Record<string, unknown>): Promise<void> {
  const declared = channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum', ...options } })
  await plainly(
    declared,
    `the queue '${queue}'`,
    'It was declared otherwise before: let it run empty and delete it, and it is declared anew'
  )
}

async function plainly(declared: Promise<unknown>, what: string, ifOtherwise = ''): Promise<void> {
  try {
    await declared
  } catch (error) {
    const advice = { 406: ifOtherwise, 403: 'The user needs the permissions of docs/how-to/rabbitmq.md' }[
      (error as { code?: number }).code ?? 0
    ]
    throw new Error([`${what} cannot be declared: ${describe(error)}`, advice].filter(Boolean).join('. '), { cause: error })
  }
}
