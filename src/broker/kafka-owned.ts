/** One partition that is ours: its lanes, how far it was read, and how far everything is done with. */
import type { BrokerLog, Message, Subscription } from './broker.ts'
import type { Reading } from './kafka-fetch.ts'
import { toDelivery } from './kafka-records.ts'
import type { Slots } from './kafka-slots.ts'
import { openLanes } from './lanes.ts'
import { openPrefix } from './prefix.ts'

export type Owned = Reading & {
  readonly place: { topic: string; partition: number }
  /** The offset to commit: the next to be handled, everything before it being done with; undefined when it is committed. */
  uncommitted(): number | undefined
  committed(offset: number): void
  /** Begins nothing more; resolves when nothing is in flight. */
  stop(): Promise<void>
}

/** What is held in memory, and how far a stuck key may fall behind, which is delivered again after a crash. */
const WINDOW = { messages: 1_000, bytes: 4 * 1024 * 1024, span: 20_000 }

export function openOwned(options: {
  topic: string
  partition: number
  /** The first to be read. */
  offset: number
  subscription: Subscription
  /** Shared with the other partitions of the subscription. */
  slots: Slots
  setAside: (message: Message, position: string) => Promise<void>
  /** Called when something is done with. */
  moved: () => void
  log?: BrokerLog | undefined
}): Owned {
  const { topic, partition, subscription, slots, setAside, moved, log } = options
  const ends = new AbortController()
  let prefix = openPrefix(options.offset - 1)
  let stored = options.offset
  let bytes = 0

  const lanes = openLanes(
    {
      ...subscription,
      async handle(delivery) {
        const taken = slots.take(ends.signal)
        if (taken !== true && !(await taken)) return 'retry'
        try {
          return ends.signal.aborted ? 'retry' : await subscription.handle(delivery)
        } finally {
          slots.give()
        }
      }
    },
    log
  )

  const one: Owned = {
    topic,
    partition,
    place: { topic, partition },
    offset: options.offset,
    hasRoom: () => prefix.pending < WINDOW.messages && bytes < WINDOW.bytes && prefix.span < WINDOW.span,
    arrived(records) {
      const counted = prefix
      for (const [offset, record] of records) {
        const delivery = toDelivery(topic, partition, offset, record)
        const size = delivery.body.byteLength
        counted.add(offset)
        bytes += size
        lanes.add(delivery, async verdict => {
          if (verdict === 'dead-letter') await setAside(delivery, delivery.position)
          counted.done(offset)
          bytes -= size
          moved()
        })
      }
      // Behind records that are not handed out, too, there is something to commit.
      if (records.length === 0 && one.uncommitted() !== undefined) moved()
    },
    skipTo(offset) {
      log?.warn({ topic, partition, from: one.offset, to: offset }, 'reading goes on with the first message that Kafka has')
      one.offset = offset
      prefix = openPrefix(offset - 1)
    },
    uncommitted() {
      const reached = prefix.span === 0 ? one.offset : prefix.position + 1
      return reached === stored ? undefined : reached
    },
    committed(offset) {
      stored = offset
    },
    async stop() {
      ends.abort()
      await lanes.stop()
    }
  }
  return one
}
