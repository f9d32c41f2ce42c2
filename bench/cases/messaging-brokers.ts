/** The three brokers, each started for the run. */
import { saying } from '../progress.ts'
import { messaging } from './messaging.ts'

export const messagingPostgres = messaging({
  about: 'events over PostgreSQL',
  start: scene => scene.createDatabase('broker'),
  openRaw: async url => (await import('../rivals/raw-postgres.ts')).openRawPostgres(url),
  limits: { relay: 'relayPostgres', p50: 'confirmedPostgresP50', p99: 'confirmedPostgresP99' }
})

export const messagingRabbitMq = messaging({
  about: 'events over RabbitMQ, quorum queues',
  async start(_scene, stack) {
    using _ = saying('starting RabbitMQ')
    const { startRabbitMq } = await import('../../test/support/rabbitmq-server.ts')
    return stack.use(await startRabbitMq()).url
  },
  openRaw: async url => (await import('../rivals/raw-rabbitmq.ts')).openRawRabbitMq(url),
  limits: { relay: 'relayRabbitMq', p50: 'confirmedRabbitMqP50', p99: 'confirmedRabbitMqP99' }
})

export const messagingKafka = messaging({
  about: 'events over Kafka, acks=all',
  async start(_scene, stack) {
    using _ = saying('starting Kafka')
    const { startKafka } = await import('../../test/support/kafka-server.ts')
    return stack.use(await startKafka()).url
  },
  openRaw: async url => (await import('../rivals/raw-kafka.ts')).openRawKafka(url),
  limits: { relay: 'relayKafka', p50: 'confirmedKafkaP50', p99: 'confirmedKafkaP99' }
})
