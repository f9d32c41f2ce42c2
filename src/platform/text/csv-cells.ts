/** Cells of CSV: how text stands in one so that no spreadsheet takes it for a formula, and comes out of it again as it was. */

/** What spreadsheets run, also when it is written with wide characters. */
const formula = '=+\\-@\\t\\r\\n＝＋－＠'
/** An apostrophe that `toCell` put there, or that a spreadsheet would hide. */
const guarded = new RegExp(`^'(?=$|[${formula}'])`)
const needsGuard = new RegExp(`^$|^[${formula}]|${guarded.source}`)

/** The cell for a text: behind an apostrophe when a spreadsheet would run it, or when it is empty, which a cell says by that alone. */
export function toCell(text: string): string {
  return needsGuard.test(text) ? `'${text}` : text
}

/** The text of a cell. `fromCell(toCell(text))` is `text`. */
export function fromCell(cell: string): string {
  return guarded.test(cell) ? cell.slice(1) : cell
}

/** A row as RFC 4180 has it. */
export function toCsvRow(cells: readonly string[]): string {
  return `${cells.map(cell => (needsQuotes.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\r\n`
}

/** Also what other programs take for the end of a cell, and spaces that they would cut off. */
const needsQuotes = /[",;\t\r\n]|^\s|\s$/
