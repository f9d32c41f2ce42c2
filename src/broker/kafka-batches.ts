/** Messages on their way to Kafka: grouped into batches, one after another for each partition, so that nothing of a key overtakes. */
import type { Message } from './broker.ts'
import { sizeOf } from './kafka-records.ts'

/** A message that somebody waits for. */
export type Outgoing = {
  message: Message
  /** Headers that only the wire has. */
  more?: Readonly<Record<string, string>>
  accepted(): void
  refused(reason: string): void
}

export type Batch = { topic: string; partition: number; outgoing: Outgoing[]; bytes: number }

/** What a broker takes at most in one batch is a megabyte, as Kafka comes; a larger message goes alone. */
const BATCH_BYTES = 768 * 1024

/** For each partition its batches, in the order of the messages. */
export function batchesOf(outgoing: readonly Outgoing[], partitionFor: (message: Message) => number): Batch[][] {
  const queues = new Map<string, Batch[]>()
  for (const one of outgoing) {
    const { topic } = one.message
    const partition = partitionFor(one.message)
    const name = `${topic}:${partition}`
    const bytes = sizeOf(one.message)
    const queue = queues.get(name) ?? []
    queues.set(name, queue)
    const last = queue.at(-1)
    if (last && last.bytes + bytes <= BATCH_BYTES) {
      last.outgoing.push(one)
      last.bytes += bytes
    } else queue.push({ topic, partition, outgoing: [one], bytes })
  }
  return [...queues.values()]
}

/** The halves of a batch that is too large for this broker. */
export function halved(batch: Batch): [Batch, Batch] {
  const middle = batch.outgoing.length >> 1
  const half = (outgoing: Outgoing[]) => ({ ...batch, outgoing, bytes: batch.bytes / 2 })
  return [half(batch.outgoing.slice(0, middle)), half(batch.outgoing.slice(middle))]
}
