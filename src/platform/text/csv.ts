/**
 * Rows of CSV (RFC 4180), with commas, semicolons or tabs between cells, as the header has it. Where quotes do not add up, the row is at
 * fault, and the next one begins on the line after that quote's: what follows is read again as rows, so that a quote that is never closed
 * costs one row and not the rest of the file.
 */
import { isUtf8 } from 'node:buffer'
import { CsvError, parse } from 'csv-parse/sync'
import { headerOf } from './csv-header.ts'
import { endOfRow, type RowNote, wholeCells } from './csv-rows.ts'
import { linesIn, openText, type Piece, readPieces } from './lines.ts'
import { FileRefused, type Header, type Place, type RecordFault, ROW_BYTES_MAX } from './records.ts'
import { normalizedText } from './unicode.ts'

export type Row = {
  line: number
  /** One for each column; of a row that is at fault those that could be read. */
  cells: readonly string[]
  fault: RecordFault | null
  next: Place
}

/** The header of a file and its rows, without those that are blank. Throws `FileRefused`. */
export async function readCsv(
  file: AsyncIterable<Uint8Array>,
  start: Place
): Promise<{ header: Header; rows: AsyncGenerator<Row, void, undefined> }> {
  const { chunks, from } = await openText(file, start)
  let header = from.header
  // The header is a line: what is between its cells is not known yet.
  const pieces = readPieces<RowNote>(chunks, from, ROW_BYTES_MAX, (bytes, following) =>
    endOfRow(bytes, following, header?.delimiter ?? '\t')
  )
  while (!header) {
    const { done, value } = await pieces.next()
    if (done) throw new FileRefused('no-header', 'The file is empty; its first row names the columns')
    if (!isEmpty(value.bytes.toString())) header = headerOf(value.bytes, parseRows)
  }
  return { header, rows: readRows(pieces, header) }
}

/** Rows that are parsed at once have about as many bytes. */
const BATCH_BYTES = 64 * 1024

async function* readRows(pieces: AsyncIterable<Piece<RowNote>>, header: Header): AsyncGenerator<Row, void, undefined> {
  let batch: Piece<RowNote>[] = []
  let size = 0
  for await (const piece of pieces) {
    batch.push(piece)
    size += piece.bytes.length
    if (size < BATCH_BYTES) continue
    yield* toRows(batch, header)
    batch = []
    size = 0
  }
  yield* toRows(batch, header)
}

function* toRows(pieces: readonly Piece<RowNote>[], header: Header): Generator<Row> {
  const { columns, delimiter } = header
  const sound = parseSound(pieces.filter(isSound), delimiter)
  let parsed = 0
  for (const piece of pieces) {
    const { line } = piece
    const next = { ...piece.next, header }
    const cells = isSound(piece) ? sound[parsed++] : undefined
    if (!cells) {
      yield { line, cells: readableCells(piece, delimiter), fault: faultOf(piece), next }
      continue
    }
    if (cells.every(isEmpty)) continue
    const fits = cells.length >= columns.length && cells.slice(columns.length).every(isEmpty)
    const fault = fits ? encodingFault(piece) : countFault(piece, cells.length, columns.length)
    yield { line, cells: cells.slice(0, columns.length), fault, next }
  }
}

const isSound = ({ long, note }: Piece<RowNote>) => !long && note === null
const isEmpty = (cell: string) => cell.trim() === ''

/** The cells of each row; undefined for one that is none after all. */
function parseSound(pieces: readonly Piece<RowNote>[], delimiter: string): (string[] | undefined)[] {
  const rows = parseRows(Buffer.concat(pieces.map(({ bytes }) => bytes)), delimiter)
  if (rows?.length === pieces.length) return rows
  return pieces.map(({ bytes }) => {
    const alone = parseRows(bytes, delimiter)
    return alone?.length === 1 ? alone[0] : undefined
  })
}

/** Undefined when anything in the bytes is no CSV. */
function parseRows(bytes: Buffer, delimiter: string): string[][] | undefined {
  try {
    const rows: string[][] = parse(bytes, {
      delimiter,
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
      // Of tab-separated files only: there a quote inside a cell stands for itself.
      relax_quotes: delimiter === '\t'
    })
    return rows.map(cells => cells.map(normalizedText))
  } catch (error) {
    if (error instanceof CsvError) return undefined
    throw error
  }
}

function readableCells({ bytes, note }: Piece<RowNote>, delimiter: string): string[] {
  return parseRows(bytes.subarray(0, note?.whole ?? wholeCells(bytes, delimiter)), delimiter)?.[0] ?? []
}

function faultOf({ line, bytes, long, note }: Piece<RowNote>): RecordFault {
  if (long) return { line, pointer: '', code: 'line-too-long', detail: `The row has more than ${ROW_BYTES_MAX} bytes` }
  const detail = 'A quote here is not closed, or not doubled inside quotes, or stands in a cell that does not begin with one'
  return { line: line + linesIn(bytes.subarray(0, note?.quote ?? 0)), pointer: '', code: 'unbalanced-quotes', detail }
}

function encodingFault({ line, bytes }: Piece<RowNote>): RecordFault | null {
  return isUtf8(bytes) ? null : { line, pointer: '', code: 'encoding', detail: 'The row is not valid UTF-8' }
}

function countFault({ line, next }: Piece<RowNote>, cells: number, columns: number): RecordFault {
  const last = next.line - 1
  const extent = last > line ? `The row, which goes on to line ${last},` : 'The row'
  return { line, pointer: '', code: 'cell-count', detail: `${extent} has ${cells} cells, and the header has ${columns} columns` }
}
