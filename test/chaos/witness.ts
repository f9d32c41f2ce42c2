/** A consumer group that nothing is done to: it remembers what came out of the broker, and in which order. */
import type { Broker, Message } from '#broker/broker.ts'
import { openBroker } from '#broker/open.ts'
import type { Entry } from './ledger.ts'

export type Witness = AsyncDisposable & {
  broker: Broker
  /** Moves of counters, repetitions included, in the order in which they arrived. */
  delivered: Entry[]
  /** How many different ones. */
  readonly distinct: number
  /** Each message once, as it was. */
  messages: ReadonlyMap<string, Message>
}

/** Rejects when the broker is away; afterwards it outlives its outages. */
export async function openWitness(brokerUrl: string, topic: string): Promise<Witness> {
  await using stack = new AsyncDisposableStack()
  const broker = stack.use(await openBroker({ url: brokerUrl, applicationName: 'witness' }))
  const delivered: Entry[] = []
  const seen = new Set<string>()
  const messages = new Map<string, Message>()
  stack.use(
    await broker.subscribe({
      group: `${topic}.witness`,
      topics: [topic],
      concurrency: 50,
      async handle(delivery) {
        const entry = entryOf(delivery.body)
        if (entry) {
          delivered.push(entry)
          seen.add(entry.attempt)
          const { position: _, ...message } = delivery
          messages.set(entry.attempt, message)
        }
        return 'ack'
      }
    })
  )
  const owned = stack.move()
  return {
    broker,
    delivered,
    messages,
    get distinct() {
      return seen.size
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

const attempts = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What a message says of a counter; undefined for what is no move of one. */
export function entryOf(body: Uint8Array | string): Entry | undefined {
  try {
    const { key, n, attempt } = JSON.parse(Buffer.from(body as Uint8Array).toString()) as Entry
    return attempts.test(attempt) && typeof n === 'number' ? { attempt, key, n } : undefined
  } catch {
    return undefined
  }
}
