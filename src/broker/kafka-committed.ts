/** What a fetch holds that may be handed out: foreign producers may use transactions, and some of those end aborted. */
import type { RecordsBatch } from './kafka-client.ts'
import type { KafkaRecord } from './kafka-records.ts'

const TRANSACTIONAL = 1 << 4
const CONTROL = 1 << 5

/** The records from `offset` on, without control records and without those of aborted transactions, and where to read next. */
export function committedRecords(
  batches: readonly RecordsBatch[],
  aborted: readonly { producerId: bigint; firstOffset: bigint }[],
  offset: number
): { records: [offset: number, record: KafkaRecord][]; next: number } {
  const records: [number, KafkaRecord][] = []
  const toCome = [...aborted].sort((one, other) => Number(one.firstOffset - other.firstOffset))
  const aborting = new Set<bigint>()
  let next = offset
  for (const batch of batches) {
    const first = Number(batch.firstOffset)
    const last = first + batch.lastOffsetDelta
    while (toCome.length > 0 && Number(toCome[0]!.firstOffset) <= last) aborting.add(toCome.shift()!.producerId)
    // A control record ends its producer's transaction, one way or the other.
    if (batch.attributes & CONTROL) aborting.delete(batch.producerId)
    else if (!(batch.attributes & TRANSACTIONAL && aborting.has(batch.producerId)))
      for (const record of batch.records) {
        const at = first + record.offsetDelta
        // A batch comes whole, also when reading begins in its middle.
        if (at >= offset) records.push([at, record])
      }
    next = Math.max(next, last + 1)
  }
  return { records, next }
}
