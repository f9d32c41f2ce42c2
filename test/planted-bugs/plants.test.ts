/** What can be said of the plants without planting them; that each turns its test red is for `npm run planted-bugs`. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plants } from './plants.ts'

const read = (file: string) => readFileSync(join(import.meta.dirname, '../..', file), 'utf8')

test('every plant has a name of its own, and its place stands in the code exactly once', () => {
  assert.equal(new Set(plants.map(({ id }) => id)).size, plants.length)
  const misplaced = plants
    .map(({ id, file, find }) => ({ id, file, times: read(file).split(find).length - 1 }))
    .filter(({ times }) => times !== 1)
  assert.deepEqual(misplaced, [])
})

test('every plant names a test that is there, in whole', () => {
  const unnamed = plants.filter(({ test: { file, name } }) => {
    const source = read(file)
    return !["'", '"', '`'].some(quote => source.includes(`(${quote}${name}${quote}`))
  })
  assert.deepEqual(
    unnamed.map(({ id }) => id),
    []
  )
})

test('a plant changes something', () => {
  for (const { id, find, replace } of plants) assert.notEqual(find, replace, id)
})
