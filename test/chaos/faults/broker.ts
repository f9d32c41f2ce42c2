/** What happens to the broker: it crashes, takes nothing, or has nowhere to put what is published. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Admin } from '@platformatic/kafka'
import amqplib from 'amqplib'
import { until } from '#broker/conformance-kit.ts'
import { toMessage } from '#platform/messaging/cloudevents.ts'
import { readEventLog } from '#platform/messaging/event-log.ts'
import { once, type World } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'
import { killed } from './processes.ts'

export function killBroker(downMs: number): Fault {
  return {
    says: 'the broker dies with kill -9 under load and comes back',
    async strike(world) {
      world.strikes++
      await world.servers.broker.kill()
      await delay(downMs)
      await world.servers.broker.start()
      await world.progress(GOES_ON, 120_000)
    }
  }
}

/** RabbitMQ stops reading from whoever publishes when it is short of memory; the others have no such state. */
export function alarm(ms: number): Fault {
  return {
    says: 'RabbitMQ is short of memory and blocks who publishes',
    async strike(world) {
      world.strikes++
      const { broker } = world.servers
      assert.ok('evaluate' in broker, 'only RabbitMQ has alarms')
      const evaluate = broker.evaluate as (expression: string) => Promise<string>
      await evaluate('rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []})')
      await delay(ms)
      await evaluate('rabbit_alarm:clear_alarm({resource_limit, memory, node()})')
      await world.progress(GOES_ON, 60_000)
    }
  }
}

/**
 * What publishing needs at the broker is taken away under load. Where messages go with it, the event log is published again from where it
 * happened, as an operator would: consumers know what they have.
 */
export function takeRouteAway(ms: number): Fault {
  return {
    says: 'what publishing needs at the broker is deleted (PostgreSQL: its table; RabbitMQ: the binding, then the queue; Kafka: the topic), and what was lost with it is published again from the event log',
    async strike(world) {
      world.strikes++
      // What waits at the broker goes too, so that it is not enough to begin with what is published from now on.
      const [{ position } = { position: 0 }] = await world.ask<{ position: number }>(
        `select coalesce(
           (select min(position) - 1 from event_log l where not exists (select from applied a where a.attempt = l.body::jsonb ->> 'attempt')),
           (select position from event_log_head)
         ) as position`
      )
      await losses[world.servers.brokerName](world, ms)
      if (world.servers.brokerName !== 'postgres') await publishAgain(world, position)
      await world.progress(GOES_ON)
    }
  }
}

const losses: Record<World['servers']['brokerName'], (world: World, ms: number) => Promise<void>> = {
  /** Nothing is lost: the messages are away with their table. */
  async postgres({ brokerUrl }, ms) {
    await once(brokerUrl, 'alter table broker.topics rename to topics_gone')
    await delay(ms)
    await once(brokerUrl, 'alter table broker.topics_gone rename to topics')
  },

  async rabbitmq(world, ms) {
    const group = `chaos.${world.subscription}`
    const connection = await amqplib.connect(world.brokerUrl)
    connection.on('error', () => {})
    const channel = await connection.createChannel()
    await channel.unbindQueue(group, world.topic, '#')
    await delay(ms)
    // A consumer that starts binds its queue again.
    await killed(world, world.the('consumer'))
    // One whose queue is deleted declares it again by itself.
    await channel.deleteQueue(group)
    await until('the consumer has declared its queue again', () => hasConsumers(connection, group), 60_000)
    await connection.close()
  },

  async kafka({ brokerUrl, topic }) {
    const admin = new Admin({ clientId: 'chaos', bootstrapBrokers: [new URL(brokerUrl).host] })
    const idOf = async () =>
      (await admin.metadata({ topics: [topic], forceUpdate: true }).catch(() => undefined))?.topics.get(topic)?.id
    const before = await idOf()
    await admin.deleteTopics({ topics: [topic] })
    // Until whoever publishes has made it anew, Kafka may still accept what it is about to throw away.
    await until('the topic is another one', async () => ![undefined, before].includes(await idOf()), 60_000)
    await admin.close()
  }
}

async function hasConsumers(connection: amqplib.ChannelModel, queue: string): Promise<boolean> {
  // Asking for what is not there ends the channel.
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  return channel.checkQueue(queue).then(
    async ({ consumerCount }) => {
      await channel.close()
      return consumerCount > 0
    },
    () => false
  )
}

/** A range of the log, in its order. */
async function publishAgain(world: World, after: number): Promise<void> {
  world.reordered = true
  const [{ position: end } = { position: 0 }] = await world.ask<{ position: number }>('select position from event_log_head')
  for (let position = after; position < end; ) {
    const events = await readEventLog(world.sql, position, 500)
    position = events.at(-1)!.position
    world.repeated += events.length
    await world.witness.broker.publish(events.map(event => toMessage(event, '/chaos-service')))
  }
}
