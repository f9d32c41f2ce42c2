/** The servers of a world, started for it and therefore its own to crash: a database, and a broker of each kind. */
import type { BrokerServer } from '../support/broker-server.ts'
import { type CrashablePostgres, startCrashablePostgres } from '../support/postgres-crashable.ts'

export type Servers = AsyncDisposable & {
  database: CrashablePostgres
  broker: BrokerServer
  brokerName: BrokerName
  /** Whether PostgreSQL waits for the disk: without it, a crash of its processes loses nothing, and everything is faster. */
  waitForDisk(on: boolean): Promise<void>
}

/** How each broker is started. */
const brokers = {
  postgres: () => startCrashablePostgres(),
  rabbitmq: async () => (await import('../support/rabbitmq-server.ts')).startRabbitMq(),
  kafka: async () => (await import('../support/kafka-server.ts')).startKafka()
} satisfies Record<string, () => Promise<BrokerServer>>

export type BrokerName = keyof typeof brokers
export const brokerNames = Object.keys(brokers) as BrokerName[]

async function startServers(brokerName: BrokerName): Promise<Servers> {
  await using stack = new AsyncDisposableStack()
  // One after the other: what has started is stopped when the next does not start.
  const database = stack.use(await startCrashablePostgres())
  const broker = stack.use(await brokers[brokerName]())
  const databases = [database, broker].filter(server => 'waitForDisk' in server)
  const waitForDisk = async (on: boolean) => void (await Promise.all(databases.map(server => server.waitForDisk(on))))
  const owned = stack.move()
  return { database, broker, brokerName, waitForDisk, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Servers that are started when somebody wants to use them, and anew after a use that has failed: who knows what it has left. */
export function openServers(
  brokerName: BrokerName
): AsyncDisposable & { use<Result>(work: (servers: Servers) => Promise<Result>): Promise<Result> } {
  let servers: Promise<Servers> | undefined

  async function stop(): Promise<void> {
    const stopping = servers
    servers = undefined
    await (await stopping?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }

  return {
    async use(work) {
      servers ??= startServers(brokerName)
      try {
        return await work(await servers)
      } catch (error) {
        await stop()
        throw error
      }
    },
    [Symbol.asyncDispose]: stop
  }
}
