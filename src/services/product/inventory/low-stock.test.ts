import assert from 'node:assert/strict'
import { test } from 'node:test'
import { edgesOf } from './low-stock.ts'
import type { StockItem } from './stock.ts'

/** A variant with a threshold of 5, as it is after a change, and how much was available before. */
const item = (onHand: number, before: number, more: Partial<StockItem> = {}): StockItem => ({
  variantId: 'v',
  productId: 'p',
  tracked: true,
  lowStockThreshold: 5,
  low: before <= 5,
  alertSequence: 10,
  sellable: true,
  levels: [
    { variantId: 'v', locationId: 'l', priority: 1, active: true, onHand, reserved: 0, safetyStock: 0, version: 1 },
    { variantId: 'v', locationId: 'closed', priority: 2, active: false, onHand: 99, reserved: 0, safetyStock: 0, version: 1 }
  ],
  availableBefore: before,
  isNew: false,
  ...more
})

const told = (given: StockItem) => edgesOf(given)?.announcements.map(({ event, data, sequence }) => [event.type, data, sequence])

test('low stock is told once, when a variant falls to its threshold', () => {
  const low = { productId: 'p', variantId: 'v', availableQuantity: 5, threshold: 5 }
  assert.deepEqual(told(item(6, 7)), undefined)
  assert.deepEqual(told(item(5, 6)), [['InventoryLowStock', low, 11]])
  assert.deepEqual(told(item(4, 5)), undefined)
  assert.deepEqual(told(item(0, 1)), undefined)
})

test('it is told again only after the variant has risen above its threshold', () => {
  assert.deepEqual(edgesOf(item(6, 2)), { variantId: 'v', low: false, alertSequence: 10, announcements: [] })
  assert.deepEqual(told(item(5, 6, { low: false }))?.length, 1)
})

test('what was sold out is told to be back, with the next number of the variant, and a new variant is not "back"', () => {
  const back = { productId: 'p', variantId: 'v', availableQuantity: 3 }
  assert.deepEqual(told(item(3, 0)), [['InventoryBackInStock', back, 11]])
  assert.deepEqual(told(item(3, 0, { isNew: true, low: true })), undefined)
})

test('what is not counted, or has no threshold, is never low', () => {
  assert.deepEqual(told(item(0, 9, { tracked: false })), undefined)
  assert.deepEqual(told(item(0, 9, { lowStockThreshold: null, low: false })), undefined)
})
