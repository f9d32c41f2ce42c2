/** Where a row of CSV ends: with its line, outside quotes. */
import type { Ending, Following } from './lines.ts'

/** Where quotes do not add up: the place of the quote, and how many bytes before its cell are whole cells. Null for a sound row. */
export type RowNote = { quote: number; whole: number } | null

/**
 * The end of the row that the bytes begin with. Where quotes do not add up it is the end of the line in which that quote stands.
 * Tab-separated files are written by programs that know no quotes around line breaks: there each line is a row.
 */
export function endOfRow(bytes: Buffer, following: Following, delimiter: string): Ending<RowNote> | undefined {
  if (delimiter === '\t') return endOfLine(bytes, 0, following, null)
  const { end, quote, cell, open } = scanRow(bytes, delimiter, following === 'nothing')
  if (end !== undefined) return { length: end, note: null }
  if (quote === undefined || (open && following === 'unknown')) return undefined
  return endOfLine(bytes, quote, following, { quote, whole: Math.max(0, cell - 1) })
}

/** How many bytes of a row are whole cells, of one whose end is not at hand. */
export function wholeCells(bytes: Buffer, delimiter: string): number {
  const { end, cell } = scanRow(bytes, delimiter, false)
  return end ?? Math.max(0, cell - 1)
}

const [LF, CR, QUOTE] = [0x0a, 0x0d, 0x22]

function endOfLine(bytes: Buffer, from: number, following: Following, note: RowNote): Ending<RowNote> | undefined {
  const end = bytes.indexOf(LF, from) + 1
  if (end > 0) return { length: end, note }
  return following === 'nothing' ? { length: bytes.length, note } : undefined
}

type Scan = {
  end?: number
  /** Of the quote that does not add up, or of the one that opened the cell in which the bytes end. */
  quote?: number
  /** Where the last cell begins that was looked at. */
  cell: number
  /** The bytes end before the row does. */
  open?: boolean
}

function scanRow(bytes: Buffer, delimiter: string, last: boolean): Scan {
  const comma = delimiter.charCodeAt(0)
  let at = 0
  for (;;) {
    const cell = at
    if (bytes[at] === QUOTE) {
      at = behindQuoted(bytes, at + 1, last)
      if (at === -1) return { quote: cell, cell, open: true }
      const lone = bytes[at] === CR && at + 1 === bytes.length
      if (lone && !last) return { quote: cell, cell, open: true }
      if (bytes[at] === CR && bytes[at + 1] === LF) at++
      else if (lone || (at < bytes.length && bytes[at] !== comma && bytes[at] !== LF)) return { quote: cell, cell }
    } else {
      while (at < bytes.length && bytes[at] !== comma && bytes[at] !== LF && bytes[at] !== QUOTE) at++
      if (bytes[at] === QUOTE) return { quote: at, cell }
    }
    if (at === bytes.length) return last ? { end: at, cell } : { cell, open: true }
    if (bytes[at] === LF) return { end: at + 1, cell }
    at++
  }
}

/** What stands after the quote that ends a cell; -1 when there is no such quote, or none that is known not to be one of two. */
function behindQuoted(bytes: Buffer, from: number, last: boolean): number {
  for (let quote = bytes.indexOf(QUOTE, from); quote !== -1; quote = bytes.indexOf(QUOTE, quote + 2)) {
    const known = last || quote + 1 < bytes.length
    if (known && bytes[quote + 1] !== QUOTE) return quote + 1
  }
  return -1
}
