import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CircuitState } from 'cockatiel'
import { failuresWithin, openRetryBudget } from './resilience.ts'

const { Closed, HalfOpen } = CircuitState

/** What a breaker says of each failure; a number is milliseconds that pass. */
function verdicts(...steps: ('failure' | 'success' | 'back' | number)[]): boolean[] {
  let now = 0
  const breaker = failuresWithin({ failures: 5, withinMs: 10_000 }, () => now)
  return steps.flatMap(step => {
    if (typeof step === 'number') now += step
    else if (step === 'failure') return breaker.failure(Closed)
    else breaker.success(step === 'back' ? HalfOpen : Closed)
    return []
  })
}

test('five failures within ten seconds are enough, and those of before count no more, however long it was silent', () => {
  const four = ['failure', 'failure', 'failure', 'failure'] as const
  assert.deepEqual(verdicts(...four, 8000, 'failure'), [false, false, false, false, true])
  assert.deepEqual(verdicts(...four, 11_000, 'failure'), [false, false, false, false, false])
  assert.deepEqual(verdicts(...four, 3_600_000, 'failure'), [false, false, false, false, false])
})

test('they are not while more has succeeded meanwhile, and what was before it was back is forgotten', () => {
  const five = ['failure', 'failure', 'failure', 'failure', 'failure'] as const
  assert.equal(verdicts(...Array<'success'>(6).fill('success'), ...five).at(-1), false)
  assert.equal(verdicts(...Array<'success'>(6).fill('success'), ...five, 'failure').at(-1), true)
  assert.equal(verdicts(...five, 'back', 'failure').at(-1), false)
})

test('ten calls allow one retry, and a reserve of ten is never exceeded', () => {
  const budget = openRetryBudget()
  const taken = () => {
    let count = 0
    while (budget.takeRetry()) count++
    return count
  }
  assert.equal(taken(), 10)
  for (let n = 0; n < 25; n++) budget.called()
  assert.equal(taken(), 2)
  for (let n = 0; n < 1000; n++) budget.called()
  assert.equal(taken(), 10)
})
