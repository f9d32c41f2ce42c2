/** The ledger notices each way in which a run can go wrong: a run that went well, with one forgery each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Entry, type Expected, type Invariant, invariants, type Ledger, violationsOf } from './ledger.ts'

const entry = (attempt: string, key: string, n: number): Entry => ({ attempt, key, n })
const [a1, a2, b1, p1] = [
  entry('a-one', 'a', 1),
  entry('a-two', 'a', 2),
  entry('b-one', 'b', 1),
  entry('p-one', 'poison', 1)
] as const
const never = entry('never', 'a', 3)

/** Everything committed was logged, delivered and applied, save the poison, which was set aside; one delivery was repeated. */
const well: Ledger = {
  committed: [b1, a1, a2, p1],
  rolledBack: ['taken-back'],
  acknowledged: ['a-one', 'a-two', 'b-one'],
  logged: [a1, p1, b1, a2].map((each, index) => ({ ...each, position: index + 1 })),
  delivered: [a1, p1, b1, a2, a1],
  applied: [b1, a1, a2],
  setAside: ['p-one'],
  counters: new Map([
    ['a', 2],
    ['b', 1],
    ['poison', 1]
  ]),
  states: new Map([
    ['a', 2],
    ['b', 1]
  ]),
  waiting: { outbox: 0, unpublished: 0, parked: 0 },
  convergedMs: 900,
  processes: [],
  lagP99Ms: { before: 40, since: 80 }
}

const expected: Expected = {
  ordered: true,
  poison: key => key === 'poison',
  duplicatesMax: 1,
  convergedWithinMs: 30_000,
  lagGrowthMax: 5
}

const at = (entries: readonly Entry[], from = 1) => entries.map((each, index) => ({ ...each, position: index + from }))

/** What was forged → what the ledger says of it. */
const forgeries: [what: string, forged: Partial<Ledger>, invariant: Invariant, says: RegExp][] = [
  [
    'a commit that was acknowledged and is gone',
    { acknowledged: ['a-one', 'gone'] },
    'I1',
    /1 acknowledged and not committed: gone/
  ],
  ['a commit that never reached the log', { logged: at([a1, p1, b1]) }, 'I1', /1 committed and not in the event log: a-two/],
  ['a commit that was never delivered', { delivered: [a1, p1, b1] }, 'I1', /1 committed and never delivered: a-two/],
  ['a commit without effect', { applied: [b1, a1] }, 'I1', /1 committed and without effect: a-two/],
  [
    'a dead letter that nothing was wrong with',
    { applied: [a1, a2], setAside: ['p-one', 'b-one'] },
    'I1',
    /nothing was wrong with: b-one/
  ],
  ['poison that is neither an effect nor set aside', { setAside: [] }, 'I1', /1 committed and without effect: p-one/],
  ['a gap in the log', { logged: at([a1, p1, b1, a2], 2) }, 'I1', /4 positions of the event log that are not the next/],
  [
    'a consumer that stands behind',
    {
      states: new Map([
        ['a', 1],
        ['b', 1]
      ])
    },
    'I1',
    /not followed to their end: a: 1 of 2/
  ],
  ['a commit of what was taken back', { rolledBack: ['a-one'] }, 'I2', /1 rolled back and committed all the same: a-one/],
  [
    'a log entry of what was never committed',
    { logged: at([a1, p1, b1, a2, never]) },
    'I2',
    /in the event log and not committed: never/
  ],
  [
    'a delivery of what was never committed',
    { delivered: [a1, p1, b1, a2, a1, never] },
    'I2',
    /delivered and not committed: never/
  ],
  ['an effect of what was never committed', { applied: [b1, a1, a2, never] }, 'I2', /an effect of what was not committed: never/],
  ['a request that had its effect twice', { committed: [b1, a1, a2, p1, b1] }, 'I3', /1 committed twice: b-one/],
  ['an event that is in the log twice', { logged: at([a1, p1, b1, a2, a1]) }, 'I3', /1 twice in the event log: a-one/],
  ['an effect that was made twice', { applied: [b1, a1, a2, b1] }, 'I3', /1 effects made twice: b-one/],
  ['an effect of a dead letter', { applied: [b1, a1, a2, p1] }, 'I3', /both an effect and a dead letter: p-one/],
  ['a log that is out of order', { logged: at([a2, p1, b1, a1]) }, 'I4', /1 out of order in the event log: a@1/],
  ['a delivery that overtook another', { delivered: [a2, p1, b1, a1] }, 'I4', /1 delivered out of order: a@1/],
  ['an effect that overtook another', { applied: [a2, b1, a1] }, 'I4', /1 effects made out of order: a@1/],
  ['a storm that nobody has ordered', { delivered: [a1, p1, b1, a2, a1, a2] }, 'I5', /2 repetitions, over 1/],
  ['a run that never came to rest', { convergedMs: undefined }, 'I6', /it never came to rest/],
  ['a run that came to rest late', { convergedMs: 30_001 }, 'I6', /after 30001 ms, over 30000/],
  [
    'effects that came late',
    { lagP99Ms: { before: 400, since: 2001 } },
    'I6',
    /2001 ms after their commits \(p99\), and 400 ms before/
  ],
  ['an outbox that is not empty', { waiting: { ...well.waiting, outbox: 3 } }, 'I7', /^3 outbox$/],
  ['a log that was not published to its end', { waiting: { ...well.waiting, unpublished: 2 } }, 'I7', /^2 unpublished$/],
  ['messages that are still parked', { waiting: { ...well.waiting, parked: 1 } }, 'I7', /^1 parked$/],
  ['a process that ended by itself', { processes: ['relay ended with 1'] }, 'I8', /relay ended with 1/]
]

test('a run that went well breaks nothing', () => {
  assert.deepEqual(violationsOf(well, expected), [])
})

for (const [what, forged, invariant, says] of forgeries) {
  test(`${what} is noticed: ${invariant}, ${invariants[invariant]}`, () => {
    const violations = violationsOf({ ...well, ...forged }, expected)
    assert.ok(
      violations.some(violation => violation.invariant === invariant && says.test(violation.says)),
      JSON.stringify(violations)
    )
  })
}

test('every invariant has a forgery', () => {
  assert.deepEqual([...new Set(forgeries.map(([, , invariant]) => invariant))].sort(), Object.keys(invariants))
})

test('deliveries that were shuffled on purpose may overtake each other, and a log may not', () => {
  const shuffled = { ...well, delivered: [a2, p1, b1, a1, a1], applied: [a2, b1, a1] }
  assert.deepEqual(violationsOf(shuffled, { ...expected, ordered: false }), [])
  assert.equal(violationsOf({ ...shuffled, logged: at([a2, p1, b1, a1]) }, { ...expected, ordered: false }).length, 1)
})

test('effects may take longer on a machine on which they took long before', () => {
  assert.deepEqual(violationsOf({ ...well, lagP99Ms: { before: 900, since: 4400 } }, expected), [])
  assert.deepEqual(violationsOf({ ...well, lagP99Ms: { before: 10, since: 1400 } }, expected), [])
})

test('a repetition that comes late is no disorder', () => {
  assert.deepEqual(violationsOf({ ...well, delivered: [a1, p1, b1, a2, a1], applied: well.applied }, expected), [])
})
