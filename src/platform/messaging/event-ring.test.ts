import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { openRing } from './event-ring.ts'

const event = (position: number, characters = 10) => ({
  position,
  type: position % 3 === 0 ? 'Rare' : 'Common',
  frame: 'x'.repeat(characters)
})
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => event(from + n))
const positions = (found: { events: readonly { position: number }[] } | undefined) => found?.events.map(({ position }) => position)

describe('a ring of the newest events', () => {
  test('gives what comes after a position, of the types that are asked for, and says how far it looked', () => {
    const ring = openRing<ReturnType<typeof event>>(1000)
    assert.equal(ring.after(4, null, 100), undefined)
    ring.append(range(5, 10))
    assert.deepEqual(positions(ring.after(4, null, 1000)), [5, 6, 7, 8, 9, 10])
    assert.deepEqual(positions(ring.after(8, null, 1000)), [9, 10])
    assert.equal(ring.after(10, null, 1000), undefined)
    const rare = ring.after(4, ['Rare'], 1000)
    assert.deepEqual([positions(rare), rare?.position], [[6, 9], 10])
    const none = ring.after(9, ['Rare'], 1000)
    assert.deepEqual([positions(none), none?.position], [[], 10])
  })

  test('knows what it does not have any more, and always has the newest event, however large', () => {
    const ring = openRing<ReturnType<typeof event>>(50)
    ring.append(range(1, 20))
    assert.equal(ring.after(0, null, 1000), undefined)
    assert.equal(ring.after(14, null, 1000), undefined)
    assert.deepEqual(positions(ring.after(15, null, 1000)), [16, 17, 18, 19, 20])
    ring.append([event(21, 500)])
    assert.equal(ring.after(19, null, 1000), undefined)
    assert.deepEqual(positions(ring.after(20, null, 1)), [21])
  })

  test('is walked in steps of any size without a gap or a repetition, whatever its bound', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 80 }), fc.boolean(), (bound, step, all) => {
        const ring = openRing<ReturnType<typeof event>>(bound)
        const seen: number[] = []
        const types = all ? null : ['Rare']
        let at = 0
        for (let next = 1; next <= 60; next += 4) {
          ring.append(range(next, next + 3))
          const kept = ring.after(at, types, step)
          // Who is too far behind asks elsewhere, here up to the head.
          if (!kept) for (; at < next + 3; at++) if (types === null || (at + 1) % 3 === 0) seen.push(at + 1)
          for (let found = kept; found; found = ring.after(at, types, step)) {
            seen.push(...positions(found)!)
            assert.ok(found.position > at)
            at = found.position
          }
        }
        assert.deepEqual(
          seen,
          range(1, 60)
            .map(({ position }) => position)
            .filter(position => all || position % 3 === 0)
        )
      })
    )
  })
})
