import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { events } from '#contracts/catalogue.ts'
import { delivered, ThingChanged } from '../../../test/support/messaging.ts'
import { decode, knownEvents } from './decode.ts'

const event = { eventType: 'ThingChanged', timestamp: '2026-11-22T10:00:00.000Z', thingId: 'a', n: 1 }
const known = knownEvents([ThingChanged])
const decoded = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  decode(delivered('a', 1, { body, headers }), known)
const idOf = (body: string | Uint8Array) => {
  const result = decoded(body)
  assert.notEqual(result.kind, 'ignored')
  return (result as { eventId: string }).eventId
}

test('an event as the specification shows it is enough: what its envelope leaves out is filled in', () => {
  const result = decoded(JSON.stringify(event))
  assert.equal(result.kind, 'event')
  const { eventId } = result as { eventId: string }
  assert.match(eventId, /^sha256:[0-9a-f]{64}$/)
  assert.deepEqual(result, {
    kind: 'event',
    contract: ThingChanged,
    event: { ...event, eventId, eventVersion: 1, sequence: 1, source: 'product.events' },
    source: 'product.events',
    eventId,
    type: 'ThingChanged',
    key: 'a'
  })
})

test("the specification's OrderCreated is whole without any header: its key is the order's, its source is the topic", () => {
  const orders = knownEvents(events.filter(({ topic }) => topic === 'order.events'))
  const example = {
    eventType: 'OrderCreated',
    orderId: 'string',
    userId: 'string',
    items: [{ productId: 'string', variantId: 'string', quantity: 2 }],
    timestamp: '2026-11-22T10:00:00Z'
  }
  const message = { ...delivered('', 1), topic: 'order.events', key: '', messageId: '', body: Buffer.from(JSON.stringify(example)) }
  assert.partialDeepStrictEqual(decode(message, orders), {
    ...{ kind: 'event', key: 'string', source: 'order.events', event: { ...example, eventVersion: 1 } }
  })
})

test('an event says itself who published it; where it does not, its attributes do, or else the topic', () => {
  const own = decoded(JSON.stringify({ ...event, eventId: 'e1', source: '/shop', sequence: 5 }))
  assert.partialDeepStrictEqual(own, { source: '/shop', eventId: 'e1', event: { sequence: 5, source: '/shop', eventId: 'e1' } })
  assert.partialDeepStrictEqual(decoded(JSON.stringify(event), { ce_source: '/header' }), { source: '/header' })
  assert.partialDeepStrictEqual(decoded(JSON.stringify(event)), { source: 'product.events' })
})

test('an event without an id is known by what it says, whatever the order of its keys and its white space', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (more, seed) => {
      const members = Object.entries({ ...more, ...event })
      const shuffled = members.toSorted(([a], [b]) => ((a.length * seed) % 7) - ((b.length * seed) % 7) || (a < b ? 1 : -1))
      const other = JSON.stringify(Object.fromEntries(shuffled), null, seed % 4)
      assert.equal(idOf(JSON.stringify(Object.fromEntries(members))), idOf(other))
      assert.notEqual(idOf(other), idOf(JSON.stringify({ ...more, ...event, thingId: 'b' })))
    })
  )
})

test('what nothing reacts to is ignored, however it looks otherwise', () => {
  assert.deepEqual(decoded('{"eventType":"ThingPolished"}'), { kind: 'ignored', type: 'ThingPolished' })
})

test('unknown properties are read all the same', () => {
  const body = JSON.stringify({ ...event, colour: 'red', huge: 0 }).replace('"huge":0', '"huge":12345678901234567890')
  assert.partialDeepStrictEqual(decoded(body), { kind: 'event', event: { colour: 'red' } })
})

test('what a newer publisher adds to an event is read, at any depth, and so are words of enumerations that may grow', () => {
  const golden = readFileSync(new URL('../../../test/golden/events/product-created-v1.json', import.meta.url), 'utf8')
  const product = JSON.parse(golden)
  product.status = 'paused'
  product.variants[0].prices[0] = { amount: '1.00', currency: 'XYZ', taxIncluded: true }
  const message = delivered('', 1, { body: JSON.stringify(product) })
  const decoded = decode(message, knownEvents(events.filter(({ type }) => type === 'ProductCreated')))
  assert.partialDeepStrictEqual(decoded, { kind: 'event', event: product })
  product.variants[0].prices[0].amount = 1
  const wrong = decode(delivered('', 1, { body: JSON.stringify(product) }), knownEvents(events))
  assert.partialDeepStrictEqual(wrong, { kind: 'invalid', error: '/variants/0/prices/0/amount must be string' })
})

test('what is no JSON object in UTF-8 is undecodable, and known by its bytes', () => {
  const [before, behind] = JSON.stringify({ ...event, text: '?' }).split('?')
  const invalidUtf8 = Buffer.concat([Buffer.from(before!), Buffer.from([0xc3, 0x28]), Buffer.from(behind!)])
  const undecodable = ['', 'null', '[]', '"text"', '{"a":', '{} {}', invalidUtf8, '\ufeff']
  for (const body of undecodable) {
    assert.partialDeepStrictEqual(decoded(body), { kind: 'invalid', reason: 'undecodable', type: null }, String(body))
    assert.equal(idOf(body), idOf(body))
  }
  assert.notEqual(idOf('[]'), idOf('[ ]'))
})

test('what does not match the contract is invalid, with every fault', () => {
  const faults: [object, RegExp][] = [
    [{ ...event, n: 'one', thingId: 7 }, /\/thingId must be string; \/n must be integer/],
    [{ ...event, timestamp: 'yesterday' }, /\/timestamp/],
    [{ ...event, eventId: 7 }, /\/eventId/],
    [{ ...event, eventVersion: '1' }, /\/eventVersion must be integer/],
    [{ ...event, eventVersion: 0 }, /version 0 of ThingChanged is not read here/],
    [{ thingId: 'a', n: 1 }, /\/eventType is missing/],
    [{ ...event, eventType: 7 }, /\/eventType is missing/]
  ]
  for (const [body, says] of faults) {
    const result = decoded(JSON.stringify(body))
    assert.partialDeepStrictEqual(result, { kind: 'invalid' })
    assert.match((result as { error: string }).error, says)
  }
})

test('what is invalid keeps the key that its order has, as far as it says it', () => {
  assert.partialDeepStrictEqual(decoded(JSON.stringify({ ...event, n: 'one' })), { kind: 'invalid', key: 'a' })
  assert.partialDeepStrictEqual(decoded('hello', { ce_partitionkey: 'a' }), { kind: 'invalid', key: 'a' })
  assert.partialDeepStrictEqual(decoded('hello'), { kind: 'invalid', key: '' })
})

test('ids and sources that are too long to remember are invalid, and remembered in short', () => {
  const long = 'x'.repeat(100_000)
  for (const body of [
    { ...event, eventId: long },
    { ...event, sameAs: long },
    { ...event, source: long }
  ]) {
    const result = decoded(JSON.stringify(body)) as { kind: string; eventId: string; source: string }
    assert.equal(result.kind, 'invalid')
    assert.ok(result.eventId.length <= 100 && result.source.length <= 200)
  }
  assert.equal(decoded(JSON.stringify(event), { ce_id: long }).kind, 'invalid')
  const { source } = decoded(JSON.stringify(event), { ce_source: long }) as { source: string }
  assert.equal(source.length, 200)
})

test('nesting however deep breaks nothing', () => {
  const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const body = JSON.stringify({ ...event, more: 'here' }).replace('"here"', nested)
  assert.equal(decoded(body).kind, 'event')
  assert.equal(idOf(body), idOf(body))
  assert.equal(decoded(`{"more":${nested}}`).kind, 'invalid')
  const wrapped = `{"specversion":"1.0","id":"e1","source":"/shop","type":"thing.changed.v1","data":${body}}`
  assert.equal(decoded(wrapped, { 'content-type': 'application/cloudevents+json' }).kind, 'event')
})
