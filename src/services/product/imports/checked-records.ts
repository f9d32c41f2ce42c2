import { Problem } from '#contracts/problems.ts'
import { ImportProduct } from '#contracts/resources/import.ts'
import { fragmentOf } from '#platform/text/json.ts'
import type { Place } from '#platform/text/records.ts'
import { checkBody } from '#platform/text/validation.ts'
import { faultsOf, type RecordError } from './plan-batch.ts'
import type { SourceRecord } from './source-record.ts'

/** A record that says something of a product, or what is wrong with it. */
export type CheckedRecord = {
  line: number
  given: ImportProduct | null
  errors: readonly RecordError[]
  /** How many rows of the file it is. */
  rows: number
  next: Place
}

const check = checkBody(ImportProduct)

const RECORDS_MAX = 400
const TURN_RECORDS = 50
const VARIANTS_MAX = 2000
const BYTES_MAX = 2 * 1024 * 1024

/** Gathers records into batches, each record checked against its schema: every fault, and where it is. */
export async function* checkedBatches(
  records: AsyncIterable<SourceRecord>,
  from: Place
): AsyncGenerator<CheckedRecord[], void, undefined> {
  let begin = from.offset
  let variants = 0
  let batch: CheckedRecord[] = []
  for await (const record of records) {
    const checked = checkedRecord(record)
    batch.push(checked)
    // Whoever waits for an answer of the database gets it before the next.
    if (batch.length % TURN_RECORDS === 0) await new Promise(setImmediate)
    variants += checked.given?.variants?.length ?? 0
    if (batch.length < RECORDS_MAX && variants < VARIANTS_MAX && record.next.offset - begin < BYTES_MAX) continue
    yield batch
    begin = record.next.offset
    variants = 0
    batch = []
  }
  if (batch.length > 0) yield batch
}

function checkedRecord({ line, value, faults, rows = 1, next }: SourceRecord): CheckedRecord {
  if (faults.length > 0) {
    const errors = faults.map(fault => ({ ...fault, pointer: fragmentOf(fault.pointer) }))
    return { line, given: null, errors, rows, next }
  }
  try {
    check(value)
    return { line, given: value as ImportProduct, errors: [], rows, next }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { line, given: null, errors: faultsOf(error).map(fault => ({ line, ...fault })), rows, next }
  }
}
