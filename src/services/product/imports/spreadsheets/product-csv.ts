import { readCsv } from '#platform/csv.ts'
import { FileRefused } from '#platform/records.ts'
import type { ReadFormat } from '../source-record.ts'
import { googleMerchant } from './google-merchant.ts'
import { groupRows } from './row-groups.ts'
import { Sheet } from './sheet.ts'
import { shopify } from './shopify.ts'

const formats = [shopify, googleMerchant]

/** Reads products from the rows of a spreadsheet, in the format whose columns its header has. */
export const readProductCsv: ReadFormat = async function* (chunks, { from, currency }) {
  const { header, rows } = await readCsv(chunks, from)
  const { columns } = header
  const reader = formats.map(format => format.open(columns)).find(opened => opened !== undefined)
  if (!reader) {
    const known = formats.map(({ knownBy }) => knownBy).join('; or ')
    throw new FileRefused(
      'unknown-columns',
      `The first row has to have the columns ${known}; it has ${columns.slice(0, 20).join(', ').slice(0, 500)}`
    )
  }
  for await (const { line, rows: own, faults, next } of groupRows(rows, reader.keyOf)) {
    if (faults.length > 0) {
      yield { line, value: undefined, faults, next }
      continue
    }
    const sheet = new Sheet(own, columns, currency)
    const value = reader.toProduct(sheet)
    yield { line, value: sheet.faults.length > 0 ? undefined : value, faults: sheet.faults, next }
  }
}
