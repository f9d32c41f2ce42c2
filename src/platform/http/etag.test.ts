import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkVersion, etagOf, noneMatch, readIfMatch } from './etag.ts'

test('If-Match names the versions that a write may find', () => {
  const cases: [string | undefined, readonly number[] | null][] = [
    [undefined, null],
    ['*', null],
    [' * ', null],
    ['"1"', [1]],
    [' "12" ', [12]],
    ['"1", "3","2"', [1, 3, 2]],
    // What is weak or no tag of ours matches nothing; it is never passed over.
    ['', []],
    ['W/"1"', []],
    ['w/"1"', []],
    ['1', []],
    ["'1'", []],
    ['"1', []],
    ['1"', []],
    ['"01"', []],
    ['"0"', []],
    ['"-1"', []],
    ['"1.0"', []],
    ['"1e0"', []],
    ['"one"', []],
    ['""', []],
    ['"*"', []],
    ['**', []],
    ['"1" "2"', []],
    ['"99999999999999999"', []],
    ['W/"1", "2"', [2]],
    ['"2", rubbish', [2]],
    [',,,', []]
  ]
  for (const [header, expected] of cases) assert.deepEqual(readIfMatch(header), expected, header)
})

test('a write goes on only from a version that it may find', () => {
  checkVersion(null, 7)
  checkVersion([6, 7], 7)
  for (const expected of [[], [6], [6, 8]]) {
    assert.throws(() => checkVersion(expected, 7), { code: 'precondition-failed', extensions: { currentVersion: 7 } })
  }
})

test('If-None-Match compares weakly, and takes lists and the star', () => {
  const tag = etagOf(7)
  assert.equal(tag, '"7"')
  for (const header of ['"7"', 'W/"7"', '*', ' * ', '"6", "7"', '"6",W/"7"']) assert.equal(noneMatch(header, tag), true, header)
  for (const header of [undefined, '', '7', '"6"', '"77"', '"7', 'W/7', '"6", "8"', '"*"'])
    assert.equal(noneMatch(header, tag), false, header)
})
