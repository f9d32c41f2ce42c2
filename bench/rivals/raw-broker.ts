/** What a broker does for somebody who needs nothing but it: publish with confirmation, read and acknowledge. */
import type { Message } from '#broker/broker.ts'

export interface RawBroker extends AsyncDisposable {
  /** Publishes everything, 500 in flight, each confirmed as durable. */
  publish(messages: readonly Message[]): Promise<void>
  /** Becomes ready to read; what joining a group takes is not measured. */
  join?(): Promise<void>
  /** Reads so many messages and acknowledges them, in batches as large as pays. */
  consume(count: number): Promise<void>
}

export const IN_FLIGHT = 500

export function* batchesOf(messages: readonly Message[]): Generator<readonly Message[]> {
  for (let from = 0; from < messages.length; from += IN_FLIGHT) yield messages.slice(from, from + IN_FLIGHT)
}
