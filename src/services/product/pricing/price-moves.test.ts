import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { amountFor, lowestFor, type PriceLine, type PricePeriod } from './effective-price.ts'
import { movesOf, type PriceMove, type Told } from './price-moves.ts'

const END = 40
const reason = { cause: 'manual', actor: 'somebody' }
const maybe = (name: string) => fc.constantFrom('', name)

const period: fc.Arbitrary<PricePeriod> = fc
  .record({
    priceListId: fc.constantFrom('a', 'b', 'c'),
    minQuantity: fc.constantFrom(1, 5),
    minor: fc.bigInt(1n, 4n),
    from: fc.integer({ min: 1, max: END }),
    length: fc.oneof(fc.integer({ min: 1, max: END }), fc.constant(Number.POSITIVE_INFINITY))
  })
  .chain(({ length, ...given }) =>
    // What a list applies to is its own.
    fc.record({ channel: maybe('web'), customerGroup: maybe('trade'), priority: fc.constantFrom(1, 2) }).map(list => ({
      ...given,
      ...list,
      priceId: 'p',
      to: given.from + length,
      startsAt: null,
      endsAt: null,
      began: { cause: 'schedule-start', actor: 'schedule' },
      ended: { cause: 'schedule-end', actor: 'schedule' }
    }))
  )
const line: fc.Arbitrary<PriceLine> = fc.record({
  base: fc
    .uniqueArray(fc.record({ from: fc.integer({ min: 0, max: END }), minor: fc.option(fc.bigInt(1n, 4n)) }), {
      selector: step => step.from
    })
    .map(steps => steps.toSorted((a, b) => a.from - b.from)),
  periods: fc.array(period, { maxLength: 6 })
})

const contextOf = ({ channel, customerGroup, minQuantity }: PriceMove) => `${channel}/${customerGroup}/${minQuantity}`
const latest = (moves: readonly PriceMove[]): Told[] => [
  ...new Map(moves.map(move => [contextOf(move), { ...move, minor: move.new }])).values()
]
describe('what is told of a price', () => {
  test('goes on, for each kind of buyer, from what was told last, in numbers without gaps, and ends at what is paid', () => {
    fc.assert(
      fc.property(line, given => {
        const moves = movesOf(given, [], { from: 0, to: END }, reason)
        for (const [, chain] of Map.groupBy(moves, contextOf)) {
          const { channel, customerGroup, minQuantity } = chain[0]!
          const buyer = { channel, customerGroup, quantity: minQuantity }
          for (const [index, move] of chain.entries()) {
            assert.equal(move.sequence, index + 1)
            assert.notEqual(move.old, move.new)
            assert.equal(move.old, index === 0 ? amountFor(given, buyer, -1) : chain[index - 1]!.new)
            assert.deepEqual([move.old, move.new], [amountFor(given, buyer, move.at - 1), amountFor(given, buyer, move.at)])
          }
          assert.equal(chain.at(-1)!.new, amountFor(given, buyer, END))
        }
      }),
      { numRuns: 500 }
    )
  })

  test('is the same whether it is looked at once or at any number of instants', () => {
    fc.assert(
      fc.property(line, fc.uniqueArray(fc.integer({ min: 0, max: END - 1 }), { maxLength: 8 }), (given, stops) => {
        const whole = movesOf(given, [], { from: 0, to: END }, reason)
        const pieces: PriceMove[] = []
        let from = 0
        for (const to of [...stops.toSorted((a, b) => a - b), END]) {
          pieces.push(...movesOf(given, latest(pieces), { from, to }, reason))
          from = to + 1
        }
        assert.deepEqual(pieces, whole)
      }),
      { numRuns: 500 }
    )
  })

  test('is nothing when it has been told', () => {
    fc.assert(
      fc.property(line, given => {
        const moves = movesOf(given, [], { from: 0, to: END }, reason)
        assert.deepEqual(movesOf(given, latest(moves), { from: END, to: END }, reason), [])
      }),
      { numRuns: 300 }
    )
  })
})

test('the lowest price of a time is the lowest of all its instants', () => {
  const buyer = { channel: 'web', customerGroup: 'trade', quantity: 5 }
  fc.assert(
    fc.property(line, fc.integer({ min: 0, max: END }), fc.integer({ min: 1, max: END }), (given, from, length) => {
      const paid = Array.from({ length }, (_, index) => amountFor(given, buyer, from + index)).filter(amount => amount !== null)
      const lowest = paid.toSorted((a, b) => Number(a - b))[0] ?? null
      assert.equal(lowestFor(given, buyer, from, from + length), lowest)
    }),
    { numRuns: 500 }
  )
})
