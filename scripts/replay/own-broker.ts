/** A broker that the replay starts for itself, and may therefore take away. */
import { setTimeout as delay } from 'node:timers/promises'
import type { BrokerServer } from '../../test/support/broker-server.ts'
import type { Progress } from './progress.ts'

export const ownBrokers = {
  rabbitmq: async () => (await import('../../test/support/rabbitmq-server.ts')).startRabbitMq(),
  kafka: async () => (await import('../../test/support/kafka-server.ts')).startKafka()
} satisfies Record<string, () => Promise<BrokerServer>>
export type OwnBroker = keyof typeof ownBrokers

/** Kills the broker when half of the work is done, and starts it again so much later. */
export async function takeAway(broker: BrokerServer, progress: Progress, seconds: number): Promise<void> {
  await progress.reached(0.5)
  await broker.kill()
  await delay(seconds * 1000)
  await broker.start()
}
