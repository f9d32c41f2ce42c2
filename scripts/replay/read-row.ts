/** What one row of an order history says, or why it says nothing that can be used. */
import { QUANTITY_MAX } from '#contracts/resources/primitives.ts'

export const columns = ['InvoiceNo', 'StockCode', 'Description', 'Quantity', 'InvoiceDate', 'UnitPrice', 'CustomerID'] as const
export type RawRow = Record<(typeof columns)[number], string>

/** Why a row is of no use. A row is counted once, under the first that applies, in this order. */
export const reasons = {
  malformed: 'not readable: a column, a number or the date',
  notAProduct: 'no product: postage, fees, discounts, manual entries',
  correction: 'a correction of stock: negative, and no cancellation',
  wrongSign: 'a cancellation of a positive quantity',
  zeroQuantity: 'quantity 0',
  noDescription: 'no description',
  noPrice: 'price 0 or less: nothing was sold',
  tooManyItems: 'an order of more products than an order may have'
} as const
export type Reason = keyof typeof reasons

export type Row = {
  kind: 'sale' | 'cancellation'
  invoice: string
  /** Of the customer; null when nobody was named. */
  customer: string | null
  code: string
  description: string
  /** Units, positive for both kinds. */
  quantity: number
  priceMinor: number
  /** Local time that sorts as text: `2010-12-01T08:26:00`. */
  at: string
}

/** Five digits, perhaps with letters for a colour or size; the web shop's own codes; gift vouchers. All else is no product. */
const product = /^(\d{5}[A-Z]{0,3}|DCGS\w+|GIFT_\d+_\d+)$/

export function readRow(raw: RawRow): Row | Reason {
  const invoice = raw.InvoiceNo.trim().toUpperCase()
  // Codes that differ by case only have the same description: the web shop writes them small, the others capital.
  const code = raw.StockCode.trim().toUpperCase()
  const quantity = numberOf(raw.Quantity)
  const price = numberOf(raw.UnitPrice)
  const at = timeOf(raw.InvoiceDate)
  const readable = Number.isSafeInteger(quantity) && Math.abs(quantity) <= QUANTITY_MAX && Number.isFinite(price)
  if (!/^[A-Z]?\d+$/.test(invoice) || code === '' || !readable || at === undefined) return 'malformed'
  const kind = invoice.startsWith('C') ? 'cancellation' : 'sale'
  if (!product.test(code)) return 'notAProduct'
  if (kind === 'sale' && quantity < 0) return 'correction'
  if (kind === 'cancellation' && quantity > 0) return 'wrongSign'
  if (quantity === 0) return 'zeroQuantity'
  const description = lineOf(raw.Description)
  if (description === '') return 'noDescription'
  const priceMinor = Math.round(price * 100)
  if (priceMinor <= 0) return 'noPrice'
  // Spreadsheets make 17850.0 of a number where other rows have none.
  const customer = raw.CustomerID.trim().replace(/\.0+$/, '') || null
  return { kind, invoice, customer, code, description, quantity: Math.abs(quantity), priceMinor, at }
}

function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text)
}

const LINE_MAX = 200

/** One line as titles must be: no control characters, single spaces. */
function lineOf(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}\u2028\u2029\s]+/gu, ' ')
    .trim()
    .slice(0, LINE_MAX)
    .trim()
}

const isoTime = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?$/
/** Month first, as the published spreadsheet becomes when it is saved as CSV: 12/1/2010 8:26 */
const americanTime = /^(\d\d?)\/(\d\d?)\/(\d{4}) (\d\d?):(\d\d)(?::(\d\d))?$/

function timeOf(text: string): string | undefined {
  const iso = isoTime.exec(text.trim())
  const american = americanTime.exec(text.trim())
  const [year, month, day, hour, minute, second = '00'] = iso?.slice(1) ?? (american ? inIsoOrder(american) : [])
  if (!year || !month || !day || !hour || !minute) return undefined
  const two = (part: string) => part.padStart(2, '0')
  const time = `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}`
  return Number.isNaN(Date.parse(`${time}Z`)) ? undefined : time
}

function inIsoOrder([, month, day, year, hour, minute, second]: readonly string[]): (string | undefined)[] {
  return [year, month, day, hour, minute, second]
}
