import assert from 'node:assert/strict'
import { test } from 'node:test'
import { passes, wantsType } from './webhook-filter.ts'

test('a type is wanted by its name or as every type', () => {
  assert.ok(wantsType({ event_types: ['PriceUpdated'] }, 'PriceUpdated'))
  assert.ok(wantsType({ event_types: ['*'] }, 'PriceUpdated'))
  assert.ok(!wantsType({ event_types: ['PriceUpdated'] }, 'ProductCreated'))
})

test('an event passes when each property that the filter names has one of its values, exactly', () => {
  const event = { productId: 'p-1', currency: 'EUR', threshold: 5, active: true, nothing: null }
  assert.ok(passes(null, event))
  assert.ok(passes({}, event))
  assert.ok(passes({ productId: ['p-2', 'p-1'], threshold: [5], active: [true] }, event))
  for (const filter of [
    { productId: ['p-2'] },
    { threshold: ['5'] },
    { currency: ['eur'] },
    { nothing: ['null'] },
    { toString: ['x'] }
  ])
    assert.ok(!passes(filter as never, event), JSON.stringify(filter))
})
