import { exponents } from '#contracts/resources/money.ts'
import type { Price } from '../../pricing/price.ts'

/** A price that a cell does not say. */
type NoPrice = { code: 'price' | 'currency-required'; detail: string }

const pattern = /^(?:(?<before>[A-Za-z]{3})\s*)?(?<whole>\d+)(?:\.(?<fraction>\d*))?(?:\s*(?<after>[A-Za-z]{3}))?$/

/**
 * The price in a cell: `12.50`, `12.50 EUR`, `EUR 12.50`. The currency is the column's, else the cell's own, else the file's. Zeros that
 * the currency has no place for are left away; anything else that would have to be guessed is refused.
 */
export function priceOf(cell: string, { column, file }: { column: string | null; file: string | null }): Price | NoPrice {
  const { before, whole = '', fraction = '', after } = pattern.exec(cell.trim())?.groups ?? {}
  if (whole === '' || (before && after)) {
    return {
      code: 'price',
      detail: 'A price is digits with a decimal point, such as 1299.00, with or without a currency, such as EUR'
    }
  }
  const own = (before ?? after)?.toUpperCase()
  const currency = column ?? own ?? file
  if (!currency)
    return { code: 'currency-required', detail: 'The price names no currency; say which one the prices of the file are in' }
  if (own && own !== currency) return { code: 'price', detail: `The price is in ${own}, and its column is for ${currency}` }
  const exponent = exponents.get(currency)
  if (exponent === undefined) return { code: 'price', detail: `${currency} is not a currency of ISO 4217` }
  const decimals = fraction.length > exponent ? fraction.slice(0, exponent) + fraction.slice(exponent).replace(/0+$/, '') : fraction
  if (decimals.length > exponent) return { code: 'price', detail: `${currency} has ${exponent} decimals` }
  return { amount: whole.replace(/^0+(?=\d)/, '') + (decimals === '' ? '' : `.${decimals}`), currency }
}
