import { fromCell, toCell } from '#platform/text/csv-cells.ts'
import { JsonRefused, parseJson } from '#platform/text/json.ts'

/** The text in a cell; undefined when the cell is empty or there is no such column. */
export function textIn(cells: readonly string[], place: number | undefined): string | undefined {
  const cell = place === undefined ? '' : cells[place]!
  return cell === '' ? undefined : fromCell(cell)
}

/**
 * A code such as a SKU or a barcode. Spreadsheets take codes for numbers, so exports put an apostrophe before them, ours and Shopify's, and
 * it is taken off again.
 */
export function codeIn(cells: readonly string[], place: number | undefined): string | undefined {
  const cell = place === undefined ? '' : cells[place]!
  return /^'\d/.test(cell) ? cell.slice(1) : textIn(cells, place)
}

/** The cell for a code: behind an apostrophe when a spreadsheet would make a number or a date of it. */
export function codeCell(code: string): string {
  const mistaken = /^'?\d/.test(code) && !/^[1-9]\d{0,10}$/.test(code)
  return mistaken ? `'${code}` : toCell(code)
}

/** The value of JSON in a cell, or what is wrong with it. */
export function jsonOf(text: string): { value: unknown } | { detail: string } {
  try {
    return { value: parseJson(new TextEncoder().encode(text)) }
  } catch (error) {
    if (!(error instanceof JsonRefused)) throw error
    return { detail: `${error.message.replace('The body', 'The cell')}${error.pointer === '' ? '' : ` at ${error.pointer}`}` }
  }
}
