import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from './id.ts'

test('ids are UUIDv7, each another, and sort in the order in which they were made', () => {
  const ids = Array.from({ length: 20_000 }, newId)
  assert.ok(ids.every(id => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)))
  assert.equal(new Set(ids).size, ids.length)
  const unsorted = ids.filter((id, index) => index > 0 && id < ids[index - 1]!)
  // The counter of one millisecond holds at least two thousand.
  assert.ok(unsorted.length <= 8, `${unsorted.length} out of order`)
})
