/** A broker whose deliveries misbehave the way real ones may: out of order, twice, late. For tests and rehearsals. */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Broker, Delivery, Subscription, Verdict } from './broker.ts'
import { openLanes } from './lanes.ts'

export type Faults = {
  /** Hands out what arrives within a window in random order, also within a key. */
  shuffle?: boolean
  /** Hands out about a third twice. */
  duplicate?: boolean
  /** Hands out about a third late, by up to this long. */
  delayMs?: number
  /** The same seed does the same to the same messages; what shares a window depends on when it arrives. */
  seed: number
}

type Copy = { delivery: Delivery; rank: number; lateMs: number; verdict: PromiseWithResolvers<Verdict> }

const WINDOW = { messages: 50, ms: 200 }
const AHEAD = 200
const SHARE = 0.3

/**
 * Publishes as the broker does and delivers with faults. Nothing is lost by them: a message is acknowledged once all its copies
 * were handled, and delivered again when one of them asks for it. Copies of one key are still handled one at a time.
 */
export function faulty(broker: Broker, faults: Faults): Broker {
  return {
    system: broker.system,
    publish: messages => broker.publish(messages),
    ...(broker.waiting && { waiting: groups => broker.waiting!(groups) }),
    subscribe: subscription =>
      broker.subscribe({
        ...subscription,
        concurrency: Math.max(subscription.concurrency, AHEAD),
        // Within a key, too, only what arrives together can be shuffled.
        ordered: !faults.shuffle && (subscription.ordered ?? true),
        handle: misbehave(subscription, faults)
      }),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]()
  }
}

function misbehave(subscription: Subscription, faults: Faults): Subscription['handle'] {
  const { shuffle, duplicate, delayMs = 0, seed } = faults
  const verdicts = new WeakMap<Delivery, Verdict>()
  const lanes = openLanes({ ...subscription, handle })
  let window: Copy[] = []
  let closing: NodeJS.Timeout | undefined

  return async delivery => {
    const chance = (of: string) => chanceOf(seed, subscription.group, delivery.messageId, of)
    const copies = Array.from({ length: duplicate && chance('twice') < SHARE ? 2 : 1 }, (_, copy) => ({
      delivery: { ...delivery },
      rank: chance(`rank ${copy}`),
      lateMs: chance(`late ${copy}`) < SHARE ? delayMs * chance(`late by ${copy}`) : 0,
      verdict: Promise.withResolvers<Verdict>()
    }))
    window.push(...copies)
    if (!shuffle || window.length >= WINDOW.messages) close()
    else closing ??= setTimeout(close, WINDOW.ms)
    return worst(await Promise.all(copies.map(copy => copy.verdict.promise)))
  }

  function close(): void {
    clearTimeout(closing)
    closing = undefined
    const copies = shuffle ? window.toSorted((one, other) => one.rank - other.rank) : window
    window = []
    for (const copy of copies) void handOut(copy)
  }

  async function handOut({ delivery, lateMs, verdict }: Copy): Promise<void> {
    if (lateMs > 0) await delay(lateMs)
    lanes.add(delivery, () => verdict.resolve(verdicts.get(delivery)!))
  }

  /** Ends the copy whatever the verdict, which goes to the inner broker once all copies have theirs. */
  async function handle(delivery: Delivery): Promise<Verdict> {
    verdicts.set(delivery, 'retry')
    try {
      verdicts.set(delivery, await subscription.handle(delivery))
    } catch {}
    return 'ack'
  }
}

function worst(verdicts: readonly Verdict[]): Verdict {
  return (['retry', 'dead-letter', 'ack'] as const).find(verdict => verdicts.includes(verdict))!
}

/** A number in [0, 1) that depends on nothing but its arguments. */
function chanceOf(...parts: readonly (string | number)[]): number {
  return createHash('sha256').update(parts.join('\n')).digest().readUInt32BE() / 2 ** 32
}
