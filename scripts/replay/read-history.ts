/** Reads an order history in the Online Retail layout: rows become invoices in time order, and what is of no use is counted. */
import { createReadStream } from 'node:fs'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { parse } from 'csv-parse'
import { ITEMS_MAX } from '#contracts/resources/reservation.ts'
import { columns, type RawRow, type Reason, type Row, readRow } from './read-row.ts'

export type Invoice = {
  invoice: string
  customer: string | null
  at: string
  /** Code → units; an invoice that names a code twice means the sum. */
  units: Map<string, number>
  rows: number
}

/** What the history says of one stock code: how often each description and each price was used. */
export type Article = { descriptions: Map<string, number>; pricesMinor: Map<number, number> }

export type History = {
  /** In time order. */
  sales: Invoice[]
  /** In time order. */
  cancellations: Invoice[]
  articles: Map<string, Article>
  rows: { read: number; sold: number; cancelled: number; unusable: Partial<Record<Reason, number>> }
}

/** Streams `file`, unpacking it when its name ends in .gz. Throws when it is not there, is cut off, or lacks a column. */
export async function readHistory(file: string): Promise<History> {
  const history: History = {
    sales: [],
    cancellations: [],
    articles: new Map(),
    rows: { read: 0, sold: 0, cancelled: 0, unusable: {} }
  }
  const invoices = { sale: new Map<string, Invoice>(), cancellation: new Map<string, Invoice>() }
  // Every byte comes through as a character of its own; what those mean is decided field by field.
  const parser = parse({ encoding: 'latin1', relax_column_count: true, relax_quotes: true, skip_empty_lines: true })
  await pipeline(createReadStream(file), file.endsWith('.gz') ? createGunzip() : new PassThrough(), parser, take)
  history.sales = inTimeOrder(invoices.sale.values())
  history.cancellations = inTimeOrder(invoices.cancellation.values())
  return leaveOutTooLong(history)

  async function take(records: AsyncIterable<string[]>): Promise<void> {
    let places: number[] | undefined
    for await (const record of records) {
      if (!places) {
        places = placesOf(record, file)
        continue
      }
      history.rows.read++
      const row = record.length > Math.max(...places) ? readRow(rawRow(record, places)) : 'malformed'
      if (typeof row === 'string') leaveOut(history, row, 1)
      else add(row)
    }
    if (!places) throw new Error(`${file} is empty`)
  }

  function add(row: Row): void {
    const { kind, invoice, customer, at, code, quantity } = row
    const known = invoices[kind].get(invoice) ?? { invoice, customer, at, units: new Map(), rows: 0 }
    invoices[kind].set(invoice, known)
    known.rows++
    known.customer ??= customer
    if (at < known.at) known.at = at
    known.units.set(code, (known.units.get(code) ?? 0) + quantity)
    history.rows[kind === 'sale' ? 'sold' : 'cancelled']++
    const article = history.articles.get(code) ?? { descriptions: new Map(), pricesMinor: new Map() }
    history.articles.set(code, article)
    count(article.descriptions, row.description)
    count(article.pricesMinor, row.priceMinor)
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function leaveOut(history: History, reason: Reason, rows: number): void {
  history.rows.unusable[reason] = (history.rows.unusable[reason] ?? 0) + rows
}

function leaveOutTooLong(history: History): History {
  for (const sale of history.sales.filter(tooLong)) {
    leaveOut(history, 'tooManyItems', sale.rows)
    history.rows.sold -= sale.rows
  }
  return { ...history, sales: history.sales.filter(sale => !tooLong(sale)) }
}

function tooLong({ units }: Invoice): boolean {
  return units.size > ITEMS_MAX
}

/** Invoices of the same minute stay in the order of the file. */
function inTimeOrder(invoices: Iterable<Invoice>): Invoice[] {
  return [...invoices].sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0))
}

/** Where each column is; the order of columns does not matter. */
function placesOf(header: readonly string[], file: string): number[] {
  const names = header.map(name =>
    decoded(name)
      .replace(/^\ufeff/, '')
      .trim()
  )
  const missing = columns.filter(column => !names.includes(column))
  if (missing.length > 0) throw new Error(`${file} is no order history in the Online Retail layout: it lacks ${missing.join(', ')}`)
  return columns.map(column => names.indexOf(column))
}

function rawRow(record: readonly string[], places: readonly number[]): RawRow {
  return Object.fromEntries(columns.map((column, index) => [column, decoded(record[places[index]!]!)])) as RawRow
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
const windows1252 = new TextDecoder('windows-1252')

/** Copies of this history are around in both encodings: what is not UTF-8 is Windows-1252. */
function decoded(bytes: string): string {
  if (!/[\u0080-\u00ff]/.test(bytes)) return bytes
  const buffer = Buffer.from(bytes, 'latin1')
  try {
    return strictUtf8.decode(buffer)
  } catch {
    return windows1252.decode(buffer)
  }
}
