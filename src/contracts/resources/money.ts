/**
 * Money on the wire: a decimal string and an ISO 4217 code. The number of decimals is the currency's own (ISO 4217 List One with its
 * amendments up to January 2026), from this table and never from the runtime's `Intl`, which is wrong for 16 active currencies. More
 * decimals are refused, not rounded.
 */
import { Type } from 'typebox'
import { extensible } from './primitives.ts'

/** What there is to pay with today. Codes without a minor unit are no money: precious metals, units of account, XTS, XXX. */
const byExponent: Record<number, string> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC
      CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR
      KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN
      PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS
      UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG`,
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW'
}

/** What there was to pay with, all with two decimals: amounts of the past stay readable, new ones are refused. */
const withdrawn = 'ANG BGN CUC HRK SLL ZWL'

/** Currency code → number of decimals. */
export const exponents: ReadonlyMap<string, number> = new Map(
  Object.entries(byExponent).flatMap(([exponent, codes]) => codes.split(/\s+/).map(code => [code, Number(exponent)] as const))
)

export const Currency = Type.String({
  enum: [...exponents.keys()].sort(),
  ...extensible,
  description: 'ISO 4217 alphabetic code'
})

export const PastCurrency = Type.String({
  pattern: '^[A-Z]{3}$',
  description: 'ISO 4217 alphabetic code, perhaps one that is withdrawn by now'
})

export const Amount = Type.String({
  maxLength: 18,
  pattern: '^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,4})?$',
  description: 'Decimal amount with at most as many decimals as the currency has; given back with exactly as many'
})

/** JSON Schema for "no more decimals than the currency has", for an object with `currency` and the amount of this name. */
export function decimalsOf(amount: string) {
  return Object.entries(byExponent).map(([exponent, codes]) => ({
    if: { properties: { currency: { enum: codes.split(/\s+/), ...extensible } }, required: ['currency', amount] },
    // biome-ignore lint/suspicious/noThenProperty: `then` is the JSON Schema keyword.
    then: { properties: { [amount]: { pattern: exponent === '0' ? '^[0-9]+$' : `^[0-9]+(\\.[0-9]{1,${exponent}})?$` } } }
  }))
}

export const decimalsOfCurrency = { allOf: decimalsOf('amount') }

export const Money = Type.Object(
  { amount: Amount, currency: Currency },
  { additionalProperties: false, ...decimalsOfCurrency, title: 'Money' }
)

/** Decimal string → integer minor units. The amount must match `Money`. */
export function toMinor(amount: string, currency: string): bigint {
  const exponent = exponentOf(currency)
  const [whole = '0', fraction = ''] = amount.split('.')
  if (fraction.length > exponent) throw new RangeError(`${currency} has ${exponent} decimals`)
  return BigInt(whole + fraction.padEnd(exponent, '0'))
}

/** Integer minor units → decimal string with exactly the currency's decimals. */
export function fromMinor(minor: bigint, currency: string): string {
  const exponent = exponentOf(currency)
  const digits = minor.toString().padStart(exponent + 1, '0')
  return exponent === 0 ? digits : `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`
}

const pastExponents = new Map(withdrawn.split(' ').map(code => [code, 2]))

function exponentOf(currency: string): number {
  const exponent = exponents.get(currency) ?? pastExponents.get(currency)
  if (exponent === undefined) throw new RangeError(`${currency} is not a currency of ISO 4217`)
  return exponent
}
