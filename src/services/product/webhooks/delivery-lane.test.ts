import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../../../test/support/world.ts'
import { type Due, openDeliveryLane } from './delivery-lane.ts'
import type { Outcome } from './delivery-outcome.ts'
import type { LiveEndpoint } from './live-endpoints.ts'

const endpoint = {
  webhook_endpoint_id: 'e',
  url: 'https://a.example/',
  ordering: 'none',
  in_flight_max: 3,
  requests_per_second: null
}
const due = (n: number) => ({ webhook_delivery_id: String(n), webhook_endpoint_id: 'e', message_id: `m-${n}` }) as Due
const delivered: Outcome = { status: 'delivered', inMs: 0, isGone: false, restMs: 0, error: null }
const failed: Outcome = { status: 'pending', inMs: 5000, isGone: false, restMs: 0, error: 'answered 500' }

/** A lane whose tries end when and as the test says. */
function open(settings: Partial<LiveEndpoint> = {}, breakerMs = 40) {
  const begun: { id: string; at: number; end(outcome: Outcome | Error): void }[] = []
  const errors: unknown[] = []
  let changes = 0
  const lane = openDeliveryLane({
    endpoint: { ...endpoint, ...settings } as LiveEndpoint,
    secrets: [],
    breakerMs,
    changed: () => changes++,
    failed: error => errors.push(error),
    attempt: (_endpoint, _secrets, { webhook_delivery_id: id }) =>
      new Promise((resolve, reject) => {
        const at = performance.now()
        begun.push({ id, at, end: outcome => (outcome instanceof Error ? reject(outcome) : resolve(outcome)) })
      })
  })
  const ids = () => begun.map(({ id }) => id)
  const until = (count: number) =>
    eventually(
      async () => begun.length,
      length => length >= count
    )
  return { lane, begun, ids, until, errors, changes: () => changes }
}

/** So many tries fail, one after the other. */
async function fail(opened: ReturnType<typeof open>, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const before = opened.changes()
    opened.lane.add(due(n))
    await opened.until(n + 1)
    opened.begun[n]!.end(failed)
    await eventually(
      async () => opened.changes(),
      changes => changes > before
    )
    opened.lane.settle(String(n))
  }
}

test('so many tries are under way as the endpoint allows, and the next begins when one has ended', async () => {
  const opened = open()
  for (let n = 0; n < 5; n++) opened.lane.add(due(n))
  assert.deepEqual(opened.ids(), ['0', '1', '2'])
  opened.begun[1]!.end(delivered)
  await opened.until(4)
  assert.deepEqual(opened.ids(), ['0', '1', '2', '3'])
  for (const each of opened.begun) each.end(delivered)
  await opened.until(5)
  opened.begun[4]!.end(delivered)
  await opened.lane.close()
})

test('what was tried is held until it is recorded, so that nobody takes it up meanwhile', async () => {
  const { lane, begun, changes } = open()
  lane.add(due(1))
  begun[0]!.end(delivered)
  await eventually(
    async () => changes(),
    count => count === 1
  )
  assert.deepEqual([...lane.held], ['1'])
  lane.settle('1')
  assert.deepEqual([...lane.held], [])
})

test('an endpoint that fails five times is left alone; then one try says whether it is well, and uses up nothing else', async () => {
  const opened = open()
  const { lane, begun } = opened
  await fail(opened, 5)
  assert.equal(lane.room(performance.now()), 0)
  await eventually(
    async () => lane.room(performance.now()),
    room => room === 1
  )
  lane.add(due(10))
  await opened.until(6)
  assert.equal(lane.room(performance.now()), 0)
  begun[5]!.end(failed)
  await eventually(
    async () => opened.changes(),
    changes => changes === 6
  )
  lane.settle('10')
  assert.equal(lane.room(performance.now()), 0)
  await eventually(
    async () => lane.room(performance.now()),
    room => room === 1
  )
  lane.add(due(11))
  await opened.until(7)
  begun[6]!.end(delivered)
  await eventually(
    async () => opened.changes(),
    changes => changes === 7
  )
  lane.settle('11')
  assert.ok(lane.room(performance.now()) > 1)
})

test('when the breaker opens, what had not begun is let go and stays what it is', async () => {
  const opened = open({ in_flight_max: 5 })
  for (let n = 0; n < 8; n++) opened.lane.add(due(n))
  for (const each of opened.begun) each.end(failed)
  await eventually(
    async () => opened.changes(),
    changes => changes === 5
  )
  assert.deepEqual([opened.ids().length, [...opened.lane.held].sort()], [5, ['0', '1', '2', '3', '4']])
})

test('an endpoint that asks for patience is left alone for so long, unless it gets another address', async () => {
  const { lane, begun, changes } = open()
  lane.add(due(1))
  begun[0]!.end({ ...failed, restMs: 60_000 })
  await eventually(
    async () => changes(),
    count => count === 1
  )
  assert.equal(lane.room(performance.now() + 59_000), 0)
  assert.ok(lane.room(performance.now() + 61_000) > 0)
  lane.update({ ...lane.endpoint, url: 'https://b.example/' }, [])
  assert.ok(lane.room(performance.now()) > 0)
})

test('no more begin in a second than the endpoint allows', async () => {
  const { lane, begun, until } = open({ requests_per_second: 50, in_flight_max: 50 })
  for (let n = 0; n < 5; n++) lane.add(due(n))
  await until(5)
  // Timers come late, never early by more than a millisecond.
  assert.ok(begun[4]!.at - begun[0]!.at >= 4 * 20 - 4, `${begun[4]!.at - begun[0]!.at} ms`)
})

test('when no try could be made, that is told, the delivery is let go, and the lane waits a second', async () => {
  const { lane, begun, errors, changes } = open()
  lane.add(due(1))
  begun[0]!.end(new Error('there is no SIGNING_KEY_SECRET'))
  await eventually(
    async () => changes(),
    count => count === 1
  )
  assert.deepEqual([errors.length, [...lane.held], lane.room(performance.now())], [1, [], 0])
})

test('a lane that closes waits for what is under way, and begins nothing', async () => {
  const { lane, begun, ids } = open({ in_flight_max: 1 })
  lane.add(due(1))
  lane.add(due(2))
  let isClosed = false
  const closed = lane.close().then(() => {
    isClosed = true
  })
  assert.equal(isClosed, false)
  begun[0]!.end(delivered)
  await closed
  assert.deepEqual([ids(), lane.room(performance.now())], [['1'], 0])
})
