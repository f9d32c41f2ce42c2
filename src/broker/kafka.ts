/**
 * Messages over Apache Kafka: a topic is a topic of the same name, the key is the record's key, and its partition the one that every Kafka
 * client chooses for it. A consumer group is a consumer group. Dead letters of a group go to the topic `<group>.dead-letters`.
 */
import { type Broker, type BrokerLog, type Message, MessagesRefused } from './broker.ts'
import { type KafkaClientOptions, openKafkaClient } from './kafka-client.ts'
import { openKafkaCluster } from './kafka-cluster.ts'
import { openKafkaProducer } from './kafka-producer.ts'
import { openKafkaSubscription } from './kafka-subscription.ts'
import { waitingIn } from './kafka-waiting.ts'
import { refusal } from './limits.ts'

export async function openKafkaBroker(options: KafkaClientOptions & { log?: BrokerLog }): Promise<Broker> {
  const client = openKafkaClient(options)
  const cluster = openKafkaCluster(client)
  const producer = openKafkaProducer(client, cluster)
  const subscriptions = new Set<AsyncDisposable>()
  try {
    await cluster.meet()
  } catch (error) {
    await client[Symbol.asyncDispose]()
    throw new Error(`the Kafka broker cannot be opened: ${(error as Error).message}`, { cause: error })
  }

  return {
    system: 'kafka',
    async publish(messages) {
      const reasons = messages.map(refusal)
      const carried = messages.filter((_, place) => reasons[place] === undefined)
      const refused = new Map(messages.flatMap(({ messageId }, place) => (reasons[place] ? [[messageId, reasons[place]]] : [])))
      for (const [place, reason] of await producer.send(carried)) refused.set(carried[place]!.messageId, reason)
      if (refused.size === 0) return
      const inOrder = messages.map(({ messageId }) => messageId).filter(messageId => refused.has(messageId))
      throw new MessagesRefused(inOrder, refused.get(inOrder[0]!)!)
    },
    async subscribe(subscription) {
      const deadLetters = `${subscription.group}.dead-letters`
      const setAside = async (message: Message, position: string) => {
        const refused = await producer.send([{ ...message, topic: deadLetters }], { 'dead-letter-of': position })
        if (refused.size > 0) throw new Error(`${deadLetters} does not take it: ${refused.get(0)}`)
      }
      const opened = await openKafkaSubscription(() => openKafkaClient(options), subscription, setAside, options.log)
      subscriptions.add(opened)
      return {
        async [Symbol.asyncDispose]() {
          subscriptions.delete(opened)
          await opened[Symbol.asyncDispose]()
        }
      }
    },
    waiting: groups => waitingIn(client, cluster, groups),
    async [Symbol.asyncDispose]() {
      await Promise.all(Array.from(subscriptions, subscription => subscription[Symbol.asyncDispose]()))
      await client[Symbol.asyncDispose]()
    }
  }
}
