import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeOf, SIDE_BYTES_MAX } from './audit-change.ts'

const none = new Set<string>()
const told = (before: unknown, after: unknown, withheld = none) => {
  const change = changeOf(before, after, withheld)
  return [change.before, change.after].map(side => (side === null ? null : JSON.parse(side)))
}

test('of a change only the members that differ are told, whatever the order of their names', () => {
  assert.deepEqual(told({ a: 1, b: { c: 1, d: 2 }, e: [1] }, { e: [1], b: { d: 2, c: 1 }, a: 2 }), [{ a: 1 }, { a: 2 }])
  assert.deepEqual(told({ a: 1, gone: true }, { a: 1, here: null }), [{ gone: true }, { here: null }])
})

test('of what appears or goes, everything is told', () => {
  assert.deepEqual(told(undefined, { a: 1 }), [null, { a: 1 }])
  assert.deepEqual(told({ a: 1 }, undefined), [{ a: 1 }, null])
  assert.deepEqual(told(undefined, undefined), [null, null])
})

test('what is withheld is told to have changed, at any depth, and not what it is', () => {
  const withheld = new Set(['key', 'name'])
  assert.deepEqual(told({ name: 'Ada', key: null }, { name: 'Grace', key: null }, withheld), [
    { name: '(withheld)' },
    { name: '(withheld)' }
  ])
  assert.deepEqual(told(undefined, { users: [{ name: 'Ada' }], key: 'k' }, withheld), [
    null,
    { users: [{ name: '(withheld)' }], key: '(withheld)' }
  ])
})

test('a side has a bound: of large members their size and digest are told', () => {
  const [, after] = told(undefined, { title: 'Boot', description: 'x'.repeat(20_000) })
  assert.equal(after.title, 'Boot')
  assert.deepEqual([after.description.bytes, after.description.sha256.length], [20_002, 64])
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`member${index}`, 'y'.repeat(900)]))
  const side = changeOf(undefined, many, none).after!
  assert.ok(Buffer.byteLength(side) <= SIDE_BYTES_MAX)
  assert.deepEqual(Object.keys(JSON.parse(side)), ['bytes', 'sha256'])
})
