import type { Place, RecordFault } from '#platform/text/records.ts'

/** What a file says of one product, or could not say. */
export type SourceRecord = {
  /** Where it begins, counted from 1. */
  line: number
  /** In the shape of ImportProduct, not validated; undefined when it could not be read, and then there are faults. */
  value: unknown
  /** Empty when there is a value: of half a product nothing is made. */
  faults: readonly RecordFault[]
  /** How many rows of the file it is; one where it does not say. */
  rows?: number
  /** Where to go on once this record is dealt with. */
  next: Place
}

export type ReadingOptions = {
  /** Where `chunks` begin: `START`, or the `next` of the last record that was dealt with. */
  from: Place
  /** The currency of prices that do not name theirs; null when every price has to. */
  currency: string | null
}

/**
 * Reads a file as it comes, in as little memory as one record takes. The same records come however the bytes are cut, and from any
 * `next` on the same rest. Throws `FileRefused`, before any record, when nothing of the file can be read.
 */
export type ReadFormat = (chunks: AsyncIterable<Uint8Array>, options: ReadingOptions) => AsyncIterable<SourceRecord>
