/** The first row of a CSV file: what is between cells, and what the columns are called. */
import { isUtf8 } from 'node:buffer'
import { FileRefused, type Header } from './records.ts'

const HEADER_BYTES_MAX = 64 * 1024
const COLUMNS_MAX = 1000

/** Reads the first row. Throws `FileRefused` when rows could not be told by it. */
export function headerOf(bytes: Buffer, parseRows: (bytes: Buffer, delimiter: string) => string[][] | undefined): Header {
  const text = bytes.toString().replace(/\r?\n$/, '')
  if (text.includes('\r')) throw new FileRefused('line-breaks', 'Lines end with a lone CR; save the file with LF or CRLF')
  if (bytes.length > HEADER_BYTES_MAX)
    throw new FileRefused('header-too-long', `The first row has more than ${HEADER_BYTES_MAX} bytes`)
  if (!isUtf8(bytes)) throw new FileRefused('unsupported-encoding', 'The first row is not valid UTF-8; save the file as UTF-8')
  const delimiter = delimiterOf(text)
  const columns = parseRows(bytes, delimiter)?.[0]?.map(name => name.trim())
  if (!columns) throw new FileRefused('unbalanced-quotes', 'The quotes of the first row do not add up')
  while (columns.at(-1) === '') columns.pop()
  checkNames(columns)
  return { columns, delimiter }
}

function checkNames(columns: readonly string[]): void {
  if (columns.length > COLUMNS_MAX) throw new FileRefused('too-many-columns', `There are more than ${COLUMNS_MAX} columns`)
  const unnamed = columns.indexOf('') + 1
  if (unnamed > 0) throw new FileRefused('unnamed-column', `Column ${unnamed} has no name in the first row`)
  const seen = new Set<string>()
  for (const column of columns) {
    const name = column.toLowerCase()
    if (seen.has(name)) throw new FileRefused('duplicate-column', `Two columns are called ${column.slice(0, 100)}`)
    seen.add(name)
  }
}

const delimiters = [',', ';', '\t']

/** The one that stands most often outside quotes; the first of those that stand equally often. */
function delimiterOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '')
  const count = (delimiter: string) => bare.split(delimiter).length
  return delimiters.reduce((best, each) => (count(each) > count(best) ? each : best))
}
