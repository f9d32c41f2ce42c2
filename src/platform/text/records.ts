/** What readers of files have in common: where they stand, and what is wrong with a record or with the whole file. */

/** Longer lines of NDJSON are faults, and reading goes on after them. */
export const LINE_BYTES_MAX = 512 * 1024
/** Longer rows of CSV, line breaks inside quotes included, are faults, and reading goes on after them. */
export const ROW_BYTES_MAX = 1024 * 1024

/** What a CSV file said of itself in its first row. */
export type Header = { columns: readonly string[]; delimiter: string }

/** Where the next record begins. It is all that resuming needs, and survives being kept as JSON. */
export type Place = {
  /** Bytes of the file before it. */
  offset: number
  /** Counted from 1. */
  line: number
  /** Null for files without a header, and at the start. */
  header: Header | null
}

export const START: Place = { offset: 0, line: 1, header: null }

/** One thing that is wrong with a record. The pointer goes into the value, or is `/Column name` of the row; empty for the record as a whole. */
export type RecordFault = { line: number; pointer: string; code: string; detail: string }

/** Nothing of the file can be read. Thrown before the first record. */
export class FileRefused extends Error {
  readonly code: string
  constructor(code: string, detail: string) {
    super(detail)
    this.name = 'FileRefused'
    this.code = code
  }
}
