import type { Broker, BrokerLog } from './broker.ts'
import type { BrokerTls } from './tls.ts'

export type BrokerOptions = {
  /** Credentials in the URL are used unless `username` or `password` says otherwise. */
  url: string
  log?: BrokerLog
  /** What the broker shows as the name of our connections. */
  applicationName?: string
  username?: string
  password?: string
  /** How Kafka is told who we are; RabbitMQ and PostgreSQL settle it by themselves. */
  saslMechanism?: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  /** Where the broker's URL asks for TLS; PostgreSQL says it in its URL. */
  tls?: BrokerTls
}

/** The driver for each scheme of a broker's URL. */
const drivers: Record<string, (options: BrokerOptions) => Promise<Broker>> = {
  postgres: async options => (await import('./postgres.ts')).openPostgresBroker(options),
  postgresql: async options => (await import('./postgres.ts')).openPostgresBroker(options),
  amqp: async options => (await import('./rabbitmq.ts')).openRabbitMqBroker(options),
  amqps: async options => (await import('./rabbitmq.ts')).openRabbitMqBroker(options),
  kafka: async options => (await import('./kafka.ts')).openKafkaBroker(options),
  kafkas: async options => (await import('./kafka.ts')).openKafkaBroker(options)
}

/** Opens the broker that the URL names. */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const scheme = options.url.split(':', 1)[0]!.toLowerCase()
  if (!Object.hasOwn(drivers, scheme))
    throw new Error(`a broker's URL starts with postgres://, amqp:// or kafka://, not with '${scheme}'`)
  return drivers[scheme]!(options)
}
