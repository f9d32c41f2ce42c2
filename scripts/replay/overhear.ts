/** Listens to everything that the broker carries, as a consumer group of the replay's own: what it hears, every group could hear. */
import { randomUUID } from 'node:crypto'
import type { Subscription } from '#broker/broker.ts'
import { openBroker } from '#broker/open.ts'
import type { AuditDatabase } from './audit-database.ts'
import { serviceNames } from './consumers.ts'

export interface Overheard extends AsyncDisposable {
  /** Messages that the broker has delivered, and again those that it got or delivered more than once. */
  readonly messages: number
  readonly ids: ReadonlySet<string>
  /** By service: the position in its event log after which everything must be heard. */
  readonly since: Readonly<Record<string, number>>
}

const topics = ['product.events', 'order.events', 'user.events'] as const

/** Begins to listen. What was published before need not be heard: brokers differ in what they keep. */
export async function overhear(brokerUrl: string, database: AuditDatabase): Promise<Overheard> {
  await using stack = new AsyncDisposableStack()
  const group = `replay.${randomUUID().slice(0, 8)}`
  const ids = new Set<string>()
  let messages = 0
  const handle: Subscription['handle'] = async ({ messageId }) => {
    messages++
    ids.add(messageId)
    return 'ack'
  }
  stack.defer(() => forget(brokerUrl, group, database))
  const broker = stack.use(await openBroker({ url: brokerUrl, applicationName: 'replay' }))
  stack.use(await broker.subscribe({ group, topics, concurrency: 500, ordered: false, handle }))
  const since = await headsOf(database)
  const held = stack.move()
  return {
    ids,
    since,
    get messages() {
      return messages
    },
    [Symbol.asyncDispose]: () => held.disposeAsync()
  }
}

async function headsOf(database: AuditDatabase): Promise<Record<string, number>> {
  const heads: Record<string, number> = {}
  for (const name of serviceNames()) {
    const [head] = await database.query<{ position: number }>(`select position from "${name}".event_log_head`)
    heads[name] = head!.position
  }
  return heads
}

/** A group that nobody reads any more would keep messages for ever. A Kafka group is forgotten by the broker itself. */
async function forget(brokerUrl: string, group: string, database: AuditDatabase): Promise<void> {
  if (brokerUrl.startsWith('postgres')) await database.query('delete from broker.cursors where consumer_group = $1', [group])
  if (!brokerUrl.startsWith('amqp')) return
  const { connect } = await import('amqplib')
  const connection = await connect(brokerUrl)
  const channel = await connection.createChannel()
  await channel.deleteQueue(group)
  await channel.deleteQueue(`${group}.dead-letters`)
  await connection.close()
}
