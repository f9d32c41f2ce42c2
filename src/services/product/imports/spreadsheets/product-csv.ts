import { readCsv } from '#platform/text/csv.ts'
import { FileRefused } from '#platform/text/records.ts'
import type { ReadFormat } from '../source-record.ts'
import { googleMerchant } from './google-merchant.ts'
import { groupRows } from './row-groups.ts'
import { Sheet } from './sheet.ts'
import { shopify } from './shopify.ts'

const formats = { 'shopify-csv': shopify, 'google-merchant': googleMerchant }

/** Which format a file is of whose header has these columns; undefined when it is none that is read. */
export function formatOfColumns(columns: readonly string[]): string | undefined {
  return Object.entries(formats).find(([, format]) => format.open(columns) !== undefined)?.[0]
}

/** Reads products from the rows of a spreadsheet, in the format whose columns its header has. */
export const readProductCsv: ReadFormat = async function* (chunks, { from, currency }) {
  const { header, rows } = await readCsv(chunks, from)
  const { columns } = header
  const reader = Object.values(formats)
    .map(format => format.open(columns))
    .find(opened => opened !== undefined)
  if (!reader) {
    const known = Object.values(formats)
      .map(({ knownBy }) => knownBy)
      .join('; or ')
    throw new FileRefused(
      'unknown-columns',
      `The first row has to have the columns ${known}; it has ${columns.slice(0, 20).join(', ').slice(0, 500)}`
    )
  }
  for await (const { line, rows: own, count, faults, next } of groupRows(rows, reader.keyOf)) {
    if (faults.length > 0) {
      yield { line, value: undefined, faults, rows: count, next }
      continue
    }
    const sheet = new Sheet(own, columns, currency)
    const value = reader.toProduct(sheet)
    yield { line, value: sheet.faults.length > 0 ? undefined : value, faults: sheet.faults, rows: count, next }
  }
}
