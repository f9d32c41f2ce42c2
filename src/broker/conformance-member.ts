/**
 * A member of a consumer group in a process of its own, for tests that kill it: `node conformance-member.ts URL GROUP TOPIC`.
 * Prints `subscribed`, and the number of each message before it acknowledges it; a message whose header `hang` is set is never settled.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { numberOf } from './conformance-kit.ts'
import { openBroker } from './open.ts'

const [url, group, topic] = process.argv.slice(2) as [string, string, string]
const failed = new Set<number>()
const broker = await openBroker({ url })

await broker.subscribe({
  group,
  topics: [topic],
  concurrency: 20,
  async handle(delivery) {
    const n = numberOf(delivery)
    await delay(n % 5)
    if (n % 13 === 5 && !failed.has(n)) {
      failed.add(n)
      return 'retry'
    }
    process.stdout.write(`${n}\n`)
    return delivery.headers.hang ? new Promise(() => {}) : 'ack'
  }
})
process.stdout.write('subscribed\n')
