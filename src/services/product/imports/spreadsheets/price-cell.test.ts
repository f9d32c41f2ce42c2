import assert from 'node:assert/strict'
import { test } from 'node:test'
import { priceOf } from './price-cell.ts'

const price = (cell: string, file: string | null = 'EUR', column: string | null = null) => {
  const read = priceOf(cell, { column, file })
  return 'amount' in read ? `${read.amount} ${read.currency}` : read.code
}

test('a price is in the currency of its column, else in its own, else in that of the file', () => {
  assert.equal(price('12.50'), '12.50 EUR')
  assert.equal(price('12.50 USD'), '12.50 USD')
  assert.equal(price('usd 12.50'), '12.50 USD')
  assert.equal(price('12.50', 'USD', 'GBP'), '12.50 GBP')
  assert.equal(price('12.50 GBP', null, 'GBP'), '12.50 GBP')
  assert.equal(price('12.50 USD', null, 'GBP'), 'price')
  assert.equal(price('12.50', null), 'currency-required')
  assert.equal(price('12.50 XXX'), 'price')
})

test('a price has the decimals of its currency; zeros beyond them are left away, and nothing is rounded', () => {
  assert.equal(price('1200.00', 'JPY'), '1200 JPY')
  assert.equal(price('1.5000'), '1.50 EUR')
  assert.equal(price('1.250', 'KWD'), '1.250 KWD')
  assert.equal(price('007.'), '7 EUR')
  assert.equal(price('0'), '0 EUR')
  assert.equal(price('1.005'), 'price')
  assert.equal(price('0.5', 'JPY'), 'price')
})

test('a price that would have to be guessed is refused', () => {
  for (const cell of ['1,299.00', '1.299,00', '12,50', '$12', '-1', '1e3', '.5', 'free', 'EUR 1 EUR', '1 2']) {
    assert.equal(price(cell), 'price', cell)
  }
})
