import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Delivery, Subscription, Verdict } from './broker.ts'
import { type Faults, faulty } from './faulty.ts'

const everything: Faults = { shuffle: true, duplicate: true, delayMs: 20, seed: 7 }

test('shuffles across keys and within a key, repeats some, and leaves none out', async () => {
  const { handled, verdicts } = await through(everything)
  assert.deepEqual(new Set(handled), new Set(hundred.map(delivery => delivery.messageId)))
  assert.ok(handled.length > 110 && handled.length < 160, `${handled.length} deliveries of 100`)
  const ofOneKey = handled.filter(id => Number(id) % 5 === 0)
  assert.notDeepEqual(
    ofOneKey,
    ofOneKey.toSorted((one, other) => Number(one) - Number(other))
  )
  assert.deepEqual(new Set(verdicts), new Set(['ack']))
})

test('does the same with the same seed and something else with another', async () => {
  const faults = { shuffle: true, duplicate: true, seed: 7 }
  const [once, again, other] = await Promise.all([through(faults), through(faults), through({ ...faults, seed: 8 })])
  assert.deepEqual(once.handled, again.handled)
  assert.notDeepEqual(once.handled, other.handled)
})

test('hands out in order and once when no fault is asked for', async () => {
  const { handled } = await through({ seed: 7 })
  assert.deepEqual(
    handled,
    hundred.map(delivery => delivery.messageId)
  )
})

test('acknowledges only when every copy was handled', async () => {
  const open = new Set<string>()
  const { verdicts } = await through(
    everything,
    async delivery => {
      open.add(delivery.messageId)
      await new Promise(setImmediate)
      open.delete(delivery.messageId)
      return 'ack'
    },
    id => assert.ok(!open.has(id), `${id} was acknowledged while a copy was in flight`)
  )
  assert.equal(verdicts.length, 100)
})

test('asks for a message again when one of its copies does or throws', async () => {
  const copies = new Map<string, number>()
  const { handled, verdicts } = await through(everything, async delivery => {
    const copy = (copies.get(delivery.messageId) ?? 0) + 1
    copies.set(delivery.messageId, copy)
    if (copy === 2) throw new Error('the second copy fails')
    return 'ack'
  })
  const twice = handled.length - 100
  assert.equal(verdicts.filter(verdict => verdict === 'retry').length, twice)
})

test('keeps the concurrency, and one delivery of a key at a time', async () => {
  const inFlight: string[] = []
  let most = 0
  await through(everything, async delivery => {
    assert.ok(!inFlight.includes(delivery.key))
    inFlight.push(delivery.key)
    most = Math.max(most, inFlight.length)
    await new Promise(setImmediate)
    inFlight.splice(inFlight.indexOf(delivery.key), 1)
    return 'ack'
  })
  assert.equal(most, 3)
})

const hundred = Array.from({ length: 100 }, (_, n): Delivery => {
  return { topic: 't', key: `${n % 5}`, messageId: `${n}`, routingKey: '', headers: {}, body: new Uint8Array(), position: `t@${n}` }
})

/** Sends a hundred deliveries of five keys through a broker with these faults. */
async function through(faults: Faults, handle: Subscription['handle'] = async () => 'ack', acknowledged = (_id: string) => {}) {
  const handled: string[] = []
  const verdicts: Verdict[] = []
  const inner: Broker = {
    system: 'postgresql',
    publish: async () => {},
    async subscribe(subscription) {
      await Promise.all(
        hundred.map(async delivery => {
          verdicts.push(await subscription.handle(delivery))
          acknowledged(delivery.messageId)
        })
      )
      return { [Symbol.asyncDispose]: async () => {} }
    },
    [Symbol.asyncDispose]: async () => {}
  }
  await using broker = faulty(inner, faults)
  await using _ = await broker.subscribe({
    group: 'g',
    topics: ['t'],
    concurrency: 3,
    handle(delivery) {
      handled.push(delivery.messageId)
      return handle(delivery)
    }
  })
  return { handled, verdicts }
}
