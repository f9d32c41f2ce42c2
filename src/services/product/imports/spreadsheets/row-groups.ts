import type { Row } from '#platform/text/csv.ts'
import type { Place, RecordFault } from '#platform/text/records.ts'

/** Rows that are one product. */
export type RowGroup = {
  line: number
  /** Empty when there are faults. */
  rows: readonly Row[]
  /** How many rows it is, with faults or without. */
  count: number
  faults: readonly RecordFault[]
  next: Place
}

/** A product has as many variants, and as many pictures, as its contract allows; rows beyond that are a mistake. */
export const PRODUCT_ROWS_MAX = 2_100
export const PRODUCT_BYTES_MAX = 4 * 1024 * 1024
/** Rows at fault that may still turn out to stand among the rows of a product. */
const STRAYS_MAX = 1_000
/** Of one product. */
const FAULTS_MAX = 50_000

type Stray = { line: number; key: string; fault: RecordFault; next: Place }

/**
 * Puts rows of one key that stand together into groups. A row at fault belongs to the product among whose rows it stands, whatever can be
 * read of it: a product of which a row is at fault is not half read. Else it is told alone.
 */
export async function* groupRows(
  rows: AsyncIterable<Row>,
  keyOf: (cells: readonly string[]) => string
): AsyncGenerator<RowGroup, void, undefined> {
  let group: Group | undefined
  let strays: Stray[] = []
  for await (const row of rows) {
    const key = keyOf(row.cells)
    const { line, next } = row
    const fault =
      row.fault ?? (key === '' ? { line, pointer: '', code: 'no-product', detail: 'The row does not say whose it is' } : null)
    if (fault && key !== group?.key) {
      strays.push({ line, key, fault, next })
      if (strays.length <= STRAYS_MAX) continue
      if (group) yield group.end()
      group = undefined
      yield alone(strays.shift()!)
      continue
    }
    if (key !== group?.key) {
      if (group) yield group.end()
      const own = strays.findIndex(stray => stray.key === key)
      for (const stray of own === -1 ? strays : strays.slice(0, own)) yield alone(stray)
      strays = own === -1 ? [] : strays.slice(own)
      group = new Group(key, strays[0]?.line ?? line)
    }
    for (const stray of strays) group.addStray(stray.fault)
    strays = []
    group.add(row)
  }
  if (group) yield group.end()
  for (const stray of strays) yield alone(stray)
}

function alone({ line, fault, next }: Stray): RowGroup {
  return { line, rows: [], count: 1, faults: [fault], next }
}

class Group {
  readonly key: string
  readonly line: number
  readonly #faults: RecordFault[] = []
  #rows: Row[] = []
  #bytes = 0
  #count = 0
  #next: Place | undefined

  constructor(key: string, line: number) {
    this.key = key
    this.line = line
  }

  add(row: Row): void {
    this.#count++
    this.#bytes += row.next.offset - (this.#next?.offset ?? row.next.offset)
    this.#next = row.next
    if (row.fault) this.addFault(row.fault)
    if (this.#faults.length > 0) return
    if (this.#count > PRODUCT_ROWS_MAX || this.#bytes > PRODUCT_BYTES_MAX) {
      const detail = `A product has at most ${PRODUCT_ROWS_MAX} rows of together ${PRODUCT_BYTES_MAX} bytes`
      this.addFault({ line: row.line, pointer: '', code: 'too-many-rows', detail })
    } else this.#rows.push(row)
  }

  addStray(fault: RecordFault): void {
    this.#count++
    this.addFault(fault)
  }

  addFault(fault: RecordFault): void {
    // Nothing is made of its rows any more.
    this.#rows = []
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault)
  }

  end(): RowGroup {
    return { line: this.line, rows: this.#rows, count: this.#count, faults: this.#faults, next: this.#next! }
  }
}
