import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '#platform/config.ts'
import { outcomeOf, retryAfterMs } from './delivery-outcome.ts'

const HOUR = 3_600_000
const delaysMs = readConfig({ NODE_ENV: 'test' }).WEBHOOK_RETRY_DELAYS_MS.split(',').map(Number)
const of = (status: number, tries = 1, retryAfterMs?: number, chance = 0) =>
  outcomeOf({ status, retryAfterMs }, tries, delaysMs, chance)

test('only 2xx is delivered: a redirect is a failure like any other', () => {
  for (const status of [200, 201, 202, 204, 299]) assert.equal(of(status).status, 'delivered')
  for (const status of [100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 503])
    assert.equal(of(status).status, 'pending', String(status))
  assert.deepEqual(
    [of(302).error, outcomeOf({ failure: 'timeout' }, 1, delaysMs, 0)],
    ['answered 302', { status: 'pending', inMs: 5000, isGone: false, restMs: 0, error: 'timeout' }]
  )
})

test('there are ten tries over 75 hours and 35 minutes, each up to a tenth later, and then it is given up', () => {
  const waits = Array.from({ length: 9 }, (_, n) => of(500, n + 1).inMs)
  assert.deepEqual(waits, [5000, 300_000, HOUR / 2, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR])
  assert.equal(Math.floor(waits.reduce((sum, wait) => sum + wait, 0) / 60_000), 75 * 60 + 35)
  assert.equal(of(500, 1, undefined, 1).inMs, 5500)
  assert.equal(of(500, 10).status, 'failed')
})

test('who is busy and asks for patience is given it, up to a day; who is not cannot ask for it', () => {
  for (const status of [429, 502, 503, 504])
    assert.deepEqual([of(status, 1, 60_000).inMs, of(status, 1, 60_000).restMs], [60_000, 60_000])
  assert.deepEqual([of(503, 1, 48 * HOUR).inMs, of(503, 1, 1000).inMs], [24 * HOUR, 5000])
  assert.deepEqual([of(500, 1, 60_000).inMs, of(500, 1, 60_000).restMs], [5000, 0])
})

test('410 says that nothing is wanted any more', () => {
  assert.deepEqual([of(410).isGone, of(410, 10).isGone, of(404).isGone, of(200).isGone], [true, true, false, false])
})

test('Retry-After is seconds or a date, and anything else says nothing', () => {
  const now = Date.parse('2026-11-22T10:00:00Z')
  assert.equal(retryAfterMs('120', now), 120_000)
  assert.equal(retryAfterMs('Sun, 22 Nov 2026 10:01:00 GMT', now), 60_000)
  assert.equal(retryAfterMs('Sun, 22 Nov 2026 09:00:00 GMT', now), 0)
  for (const text of [undefined, '', 'soon', '-5', '1e9', ['x', '5']])
    assert.equal(retryAfterMs(text, now), undefined, String(text))
})
