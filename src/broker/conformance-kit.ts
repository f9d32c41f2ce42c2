/** What the conformance tests share: names nobody else uses, numbered messages, and waiting for a condition. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Delivery, Message, Subscription } from './broker.ts'

/** A topic and a group that no other test has. */
export function names(): { topic: string; group: string } {
  const id = randomUUID().slice(0, 8)
  return { topic: `conformance.${id}`, group: `conformance.${id}-reader` }
}

/** `count` messages, numbered by a header; message n has the key `keyOf(n)`. */
export function numbered(topic: string, count: number, keyOf: (n: number) => string = () => 'one-key'): Message[] {
  return Array.from({ length: count }, (_, n) => ({
    topic,
    key: keyOf(n),
    messageId: randomUUID(),
    routingKey: 'thing.happened.v1',
    headers: { n: `${n}` },
    body: Buffer.from(JSON.stringify({ n }))
  }))
}

export function numberOf(delivery: Delivery): number {
  return Number(delivery.headers.n)
}

/** A subscription that acknowledges everything and remembers it. */
export function recording(names: { topic: string; group: string }): Subscription & { got: Delivery[]; numbers(): number[] } {
  const got: Delivery[] = []
  return {
    group: names.group,
    topics: [names.topic],
    concurrency: 10,
    got,
    numbers: () => got.map(numberOf),
    async handle(delivery) {
      got.push(delivery)
      return 'ack'
    }
  }
}

/** Waits until the condition holds; fails by saying what did not come true. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await delay(5)
  }
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

export function inOrder(numbers: Iterable<number>): number[] {
  return [...numbers].sort((one, other) => one - other)
}
