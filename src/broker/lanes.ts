/** Runs a subscription's handler: one delivery of a key at a time, keys side by side, retries in place. Knows no broker. */
import type { BrokerLog, Delivery, Subscription, Verdict } from './broker.ts'

export type Lanes = {
  /**
   * Takes one delivery; those of one key are handled in the order they are added. `settle` is called with the verdict that ends
   * it, before the next of its key starts; when it throws, the delivery is handled again.
   */
  add(delivery: Delivery, settle: Settle): void
  /** Starts nothing more and resolves when nothing is in flight; what was not settled is the broker's to deliver again. */
  stop(): Promise<void>
}

type Settle = (verdict: Exclude<Verdict, 'retry'>) => void | Promise<void>

type Lane = { name: string; waiting: { delivery: Delivery; settle: Settle }[]; attempts: number }

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000

export function openLanes(subscription: Subscription, log?: BrokerLog): Lanes {
  const { group, concurrency, ordered = true } = subscription
  const lanes = new Map<string, Lane>()
  const ready: Lane[] = []
  const pauses = new Set<NodeJS.Timeout>()
  let inFlight = 0
  let stopped = false
  const { promise: idle, resolve: becomeIdle } = Promise.withResolvers<void>()

  function fill(): void {
    while (!stopped && inFlight < concurrency && ready.length > 0) void run(ready.shift()!)
    if (stopped && inFlight === 0) becomeIdle()
  }

  async function run(lane: Lane): Promise<void> {
    inFlight++
    const settled = await attempt(lane)
    inFlight--
    if (!settled) pause(lane)
    else {
      lane.waiting.shift()
      lane.attempts = 0
      if (lane.waiting.length > 0) ready.push(lane)
      else lanes.delete(lane.name)
    }
    fill()
  }

  async function attempt(lane: Lane): Promise<boolean> {
    const { delivery, settle } = lane.waiting[0]!
    lane.attempts++
    try {
      const verdict = await subscription.handle(delivery)
      if (verdict !== 'ack' && verdict !== 'dead-letter') return false
      await settle(verdict)
      return true
    } catch (error) {
      log?.warn({ group, position: delivery.position, attempts: lane.attempts, error: String(error) }, 'will be delivered again')
      return false
    }
  }

  function pause(lane: Lane): void {
    if (stopped) return
    const timer = setTimeout(
      () => {
        pauses.delete(timer)
        ready.push(lane)
        fill()
      },
      Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (lane.attempts - 1))
    )
    pauses.add(timer)
  }

  return {
    add(delivery, settle) {
      const name = ordered ? `${delivery.topic}\n${delivery.key}` : delivery.position
      const lane = lanes.get(name)
      if (lane) lane.waiting.push({ delivery, settle })
      else {
        const opened = { name, waiting: [{ delivery, settle }], attempts: 0 }
        lanes.set(name, opened)
        ready.push(opened)
        fill()
      }
    },
    stop() {
      stopped = true
      for (const timer of pauses) clearTimeout(timer)
      fill()
      return idle
    }
  }
}
