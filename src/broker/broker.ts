/**
 * What carrying messages means, whatever carries them. Drivers are dumb: they carry, acknowledge, redeliver, and set aside.
 * Retries, dead letters, deduplication and schemas sit above, in `platform/messaging/consume.ts`, identically for every driver.
 * `conformance.ts` says the promises below as tests.
 */

/** One message. `body` is carried byte for byte; `headers` are strings (CloudEvents attributes, trace context). */
export type Message = {
  topic: string
  /** Messages of one topic with one key are delivered in the order they were published. */
  key: string
  messageId: string
  /** What a broker that routes by pattern is told, such as `product.updated.v1`. */
  routingKey: string
  headers: Readonly<Record<string, string>>
  body: Uint8Array
}

/** A message as it arrives. Fields that a foreign publisher left out are empty strings. */
export type Delivery = Message & {
  /** Where it stands in what the driver read, for people: `product.events@17`. */
  position: string
}

/**
 * ack: done with. retry: not now, deliver again later, and nothing of the same key before it.
 * dead-letter: set aside where an operator finds it. Throwing means retry.
 */
export type Verdict = 'ack' | 'retry' | 'dead-letter'

export type Subscription = {
  /** The consumer group, `<service>.<subscription>`. Every group gets every message; within a group each message goes to one member. */
  group: string
  topics: readonly string[]
  /** Deliveries in flight at most; deliveries of one key of one topic are never in flight together. */
  concurrency: number
  /** false: order does not matter to this consumer, so deliveries of one key may be in flight together and overtake each other. */
  ordered?: boolean
  handle(delivery: Delivery): Promise<Verdict>
}

export interface Broker extends AsyncDisposable {
  /** What OpenTelemetry calls `messaging.system`. */
  readonly system: 'postgresql' | 'rabbitmq' | 'kafka'
  /**
   * Resolves once the broker has durably accepted every message, in order per key.
   * Rejects with `MessagesRefused` for messages that it will never accept (over `limits.ts`; the others were accepted), with
   * any other error when nothing is known: publish the same messages again, consumers deduplicate.
   */
  publish(messages: readonly Message[]): Promise<void>
  /**
   * Delivers at least once, in order per key, from the first message kept, until disposed; disposing waits for what is in flight.
   * Rejects when the broker is away; once subscribed, it outlives outages and delivers again what was not acknowledged.
   */
  subscribe(subscription: Subscription): Promise<AsyncDisposable>
  /** How many messages wait for each of these groups, of those that the broker knows. Rejects when the broker cannot be reached now. */
  waiting?(groups: readonly Pick<Subscription, 'group' | 'topics'>[]): Promise<ReadonlyMap<string, number>>
}

/** Where a driver writes what an operator should know; pino's logger is one. */
export type BrokerLog = {
  warn(details: object, message: string): void
  /** Told of each message that the broker accepted and had nobody to keep it for. */
  unroutable?(topic: string): void
}

/** The broker will never take these, however often they are sent. */
export class MessagesRefused extends Error {
  readonly messageIds: readonly string[]
  constructor(messageIds: readonly string[], reason: string) {
    super(`the broker refuses ${messageIds.length} message(s): ${reason}`)
    this.name = 'MessagesRefused'
    this.messageIds = messageIds
  }
}
