import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checkBody } from '#platform/text/validation.ts'
import { exponents, fromMinor, Money, toMinor } from './money.ts'

const check = checkBody(Money)
const codes = [...exponents.keys()]
const refuses = (money: unknown) => assert.throws(() => check(money), { code: 'invalid-request' }, JSON.stringify(money))

describe('the currencies', () => {
  test('are those of ISO 4217 List One that things are priced in, each with its own decimals', () => {
    const counts = Object.groupBy(codes, code => String(exponents.get(code)))
    assert.deepEqual(Object.keys(counts).toSorted(), ['0', '2', '3', '4'])
    assert.deepEqual(counts['0']?.toSorted().join(' '), 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF')
    assert.deepEqual(counts['3']?.toSorted().join(' '), 'BHD IQD JOD KWD LYD OMR TND')
    assert.deepEqual(counts['4']?.toSorted().join(' '), 'CLF UYW')
    assert.equal(counts['2']?.length, 139)
    for (const code of codes) assert.match(code, /^[A-Z]{3}$/)
  })

  test('have two decimals, or the dinar of Iraq three, where the data of browsers and runtimes has none', () => {
    const two = 'AFN ALL COP HUF IDR IRR KPW LAK LBP MGA MMK PKR SOS SYP YER'.split(' ')
    for (const code of two) assert.equal(exponents.get(code), 2, code)
    assert.equal(exponents.get('IQD'), 3)
  })

  test('are none that was withdrawn, none for tests and none for metals', () => {
    for (const code of [
      'HRK',
      'BGN',
      'CUC',
      'ANG',
      'SLL',
      'ZWL',
      'DEM',
      'VEF',
      'MRO',
      'XXX',
      'XTS',
      'XAU',
      'XDR',
      'eur',
      'EURO',
      ''
    ]) {
      assert.equal(exponents.has(code), false, code)
      refuses({ amount: '1', currency: code })
    }
  })
})

describe('an amount', () => {
  const minors = fc.bigInt({ min: 0n, max: 9_999_999_999_999_999n })

  test('is the same after it was made minor units and back, in every currency', () => {
    fc.assert(
      fc.property(fc.constantFrom(...codes), minors, (currency, any) => {
        // Twelve digits before the point, whatever the decimals.
        const minor = any % 10n ** BigInt(12 + exponents.get(currency)!)
        const amount = fromMinor(minor, currency)
        assert.equal(toMinor(amount, currency), minor)
        check({ amount, currency })
        assert.equal(amount.split('.')[1]?.length ?? 0, exponents.get(currency))
      })
    )
  })

  test('may leave decimals out, and have none beyond those of its currency: they are refused, not rounded', () => {
    for (const currency of codes) {
      const decimals = exponents.get(currency)!
      check({ amount: '7', currency })
      assert.equal(toMinor('7', currency), 7n * 10n ** BigInt(decimals))
      const tooFine = `0.${'0'.repeat(decimals)}1`
      refuses({ amount: tooFine, currency })
      assert.throws(() => toMinor(tooFine, currency), RangeError)
    }
  })

  test('is exact up to a trillion, whatever a floating point number would make of it', () => {
    for (const currency of ['EUR', 'CLF', 'KWD', 'JPY']) {
      const decimals = exponents.get(currency)!
      const largest = `999999999999${decimals > 0 ? `.${'9'.repeat(decimals)}` : ''}`
      check({ amount: largest, currency })
      assert.equal(fromMinor(toMinor(largest, currency), currency), largest)
    }
    refuses({ amount: '1000000000000', currency: 'EUR' })
  })

  test('is written in one way: no sign, no exponent, no leading zero, no bare point', () => {
    for (const amount of ['-1', '+1', '1e3', '01', '.5', '1.', '1,5', ' 1', '1 ', '', 'NaN', '٣', 1, null])
      refuses({ amount, currency: 'EUR' })
  })
})
