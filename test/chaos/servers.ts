/** The servers of a world, started by it and therefore its own to crash: a database, and a broker of each kind. */
import { type CrashablePostgres, startCrashablePostgres } from '../support/postgres-crashable.ts'
import type { BrokerServer } from '../support/broker-server.ts'

export type Servers = AsyncDisposable & { database: CrashablePostgres; broker: BrokerServer; brokerName: BrokerName; waitForDisk(on: boolean): Promise<void> }

/** How each broker is started. */
const brokers = {
  postgres: () => startCrashablePostgres(),
  rabbitmq: async () => (await import('../support/rabbitmq-server.ts')).startRabbitMq()
} satisfies Record<string, () => Promise<BrokerServer>>

export type BrokerName = keyof typeof brokers
export const brokerNames = Object.keys(brokers) as BrokerName[]

export async function startServers(brokerName: BrokerName): Promise<Servers> {
  await using stack = new AsyncDisposableStack()
  const [database, broker] = await Promise.all([startCrashablePostgres(), brokers[brokerName]()])
  stack.use(database)
  stack.use(broker)
  const owned = stack.move()
  const databases = [database, broker].filter(server => 'waitForDisk' in server)
  const waitForDisk = async (on: boolean) => void (await Promise.all(databases.map(server => server.waitForDisk(on))))
  return { database, broker, brokerName, waitForDisk, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
