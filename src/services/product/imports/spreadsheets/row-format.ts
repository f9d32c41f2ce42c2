import type { Sheet } from './sheet.ts'

/** Reads the rows of one kind of CSV file, of which it knows the columns. */
export type RowReader = {
  /** Rows with one key that stand together are one product; empty when a row does not say whose it is. */
  keyOf(cells: readonly string[]): string
  /** What the rows of one product say, in the shape of ImportProduct. */
  toProduct(sheet: Sheet): Record<string, unknown>
}

export type RowFormat = {
  /** The columns that a file is known by, as a sentence says them. */
  knownBy: string
  /** Undefined when the columns are not of this format. Throws `FileRefused` when two of them mean one thing. */
  open(columns: readonly string[]): RowReader | undefined
}
