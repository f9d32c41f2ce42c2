import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { openRateLimit } from './rate-limit.ts'

/** A limit whose time is set by hand, in milliseconds. */
function limited(quota: number, keysMax?: number) {
  let time = 12_345_678
  const limit = openRateLimit({ name: 'client', quota, now: () => time, ...(keysMax ? { keysMax } : {}) })
  return {
    limit,
    wait(ms: number) {
      time += ms
    },
    /** How many of so many requests at once are let through. */
    let(count: number, key = 'a'): number {
      let through = 0
      for (let each = 0; each < count; each++) if (limit.take(key).allowed) through++
      return through
    }
  }
}

describe('a rate limit', () => {
  test('lets exactly the quota through, and as much again a minute later', () => {
    const { let: send, wait } = limited(600)
    assert.equal(send(700), 600)
    wait(59_000)
    assert.equal(send(700), 0)
    wait(2_000)
    assert.equal(send(700), 600)
  })

  test('gives back what was used when a minute has passed since, not all at once', () => {
    const { let: send, wait } = limited(10)
    assert.equal(send(4), 4)
    wait(30_000)
    assert.equal(send(20), 6)
    wait(31_000)
    assert.equal(send(20), 4)
    wait(30_000)
    assert.equal(send(20), 6)
  })

  test('counts every key for itself, and nothing that was refused', () => {
    const { let: send, limit, wait } = limited(5)
    assert.deepEqual([send(9, 'a'), send(9, 'b')], [5, 5])
    assert.equal(limit.look('a').remaining, 0)
    assert.deepEqual(limit.look('c'), { allowed: true, remaining: 5, resetSeconds: 1 })
    wait(30_000)
    assert.equal(send(9, 'a'), 0)
    wait(31_000)
    assert.equal(send(9, 'a'), 5)
  })

  test('never lets more through in any minute than the quota, whoever asks when, and says truly when there is more', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 12 })), { maxLength: 80 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), steps, (quota, waits) => {
        const { limit, wait } = limited(quota)
        let time = 0
        const passed: number[] = []
        const pause = (ms: number) => {
          time += ms
          wait(ms)
        }
        for (const [ms, count] of waits) {
          pause(ms)
          for (let each = 0; each < count; each++) {
            const { allowed, remaining, resetSeconds } = limit.take('a')
            assert.ok(resetSeconds >= 1 && resetSeconds <= 61 && remaining >= 0 && remaining < quota)
            if (allowed) passed.push(time)
            else {
              pause(resetSeconds * 1000)
              assert.ok(limit.look('a').allowed)
            }
          }
        }
        for (const [at, from] of passed.entries()) {
          const within = passed.slice(at).filter(each => each < from + 60_000).length
          assert.ok(within <= quota, `${within} within a minute of ${from}`)
        }
      }),
      { numRuns: 100 }
    )
  })

  test('remembers so many keys and no more, and forgets who was heard of longest ago', () => {
    const { let: send } = limited(1, 2)
    assert.deepEqual([send(2, 'a'), send(2, 'b'), send(1, 'a')], [1, 1, 0])
    assert.deepEqual([send(1, 'c'), send(1, 'a'), send(1, 'b')], [1, 0, 1])
  })

  test('says what it allows in structured fields, and refuses with the name of the policy and when to come back', () => {
    const { limit, let: send, wait } = limited(3)
    assert.equal(limit.policy, '"client";q=3;w=60')
    assert.equal(limit.field(limit.take('a')), '"client";r=2;t=60')
    send(2)
    wait(20_000)
    const refused = limit.take('a')
    assert.equal(limit.field(refused), '"client";r=0;t=41')
    const seconds = new Set<unknown>()
    for (let each = 0; each < 200; each++) {
      const problem = limit.refusal(refused, 'Too fast')
      assert.deepEqual([problem.code, problem.status, problem.extensions['violated-policies']], ['quota-exceeded', 429, ['client']])
      seconds.add(problem.extensions.retryAfterSeconds)
    }
    assert.deepEqual([...seconds].sort(), [41, 42, 43])
  })
})
