import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Message } from '#broker/broker.ts'
import { delivered, ThingChanged } from '../../../test/support/messaging.ts'
import { contentOf, toMessage } from './cloudevents.ts'
import { type Decoded, decode, knownEvents } from './decode.ts'
import type { LoggedEvent } from './event-log.ts'

const known = knownEvents([ThingChanged])
const base = {
  ...{ eventId: '0190a000-0000-7000-8000-000000000001', eventType: 'ThingChanged', eventVersion: 1, source: '/tested-service' },
  ...{ sequence: 7, timestamp: '2026-11-22T10:00:00.000Z', thingId: 'a', n: 1 }
}
const attributes = {
  ...{ specversion: '1.0', id: base.eventId, source: base.source, type: 'thing.changed.v1', time: base.timestamp },
  ...{ subject: 'thing/a', sequence: '00000000000000000007', partitionkey: 'a', datacontenttype: 'application/json' }
}
const data = { thingId: 'a', n: 1 }

function logged(event: typeof base): LoggedEvent {
  const { eventId, eventType, eventVersion, sequence, thingId } = event
  return {
    ...{ position: 1, event_id: eventId, topic: 'product.events', key: thingId, type: eventType, version: eventVersion },
    ...{
      subject: `thing/${thingId}`,
      sequence,
      body: JSON.stringify(event),
      traceparent: null,
      logged_at: '2026-11-23T00:00:00.000Z'
    }
  }
}

const plain = (body: object, headers: Record<string, string> = {}) => delivered('a', 1, { body: JSON.stringify(body), headers })
const binary = (body: object, given: object) =>
  plain(body, Object.fromEntries(Object.entries(given).map(([name, value]) => [`ce_${name}`, String(value)])))
const structured = (event: object | string, type = 'application/cloudevents+json; charset=utf-8') =>
  delivered('a', 1, { body: typeof event === 'string' ? event : JSON.stringify(event), headers: { 'content-type': type } })
const read = (message: Message) => decode(message, known)
const errorOf = (message: Message) => {
  const decoded = read(message)
  assert.equal(decoded.kind, 'invalid', JSON.stringify(decoded))
  return (decoded as Extract<Decoded, { kind: 'invalid' }>).error
}

test('what we publish has every attribute in the form that the specification of CloudEvents asks for', () => {
  const { headers, body, routingKey } = toMessage(logged(base), '/tested-service', 'https://shop.example')
  assert.deepEqual(headers, {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: base.eventId,
    ce_source: '/tested-service',
    ce_type: 'thing.changed.v1',
    ce_subject: 'thing/a',
    ce_time: '2026-11-22T10:00:00.000Z',
    ce_dataschema: 'https://shop.example/schemas/events/ThingChanged/1',
    ce_partitionkey: 'a',
    ce_sequence: '00000000000000000007'
  })
  assert.equal(routingKey, headers.ce_type)
  assert.ok(URL.canParse(headers.ce_dataschema!), 'an absolute URI')
  for (const name of Object.keys(headers)) assert.match(name, /^(content-type|ce_[a-z0-9]+)$/)
  assert.equal(Buffer.from(body).toString(), JSON.stringify(base))
})

test('an event comes back the same, in binary and in structured mode, with its envelope or with attributes in its place', () => {
  // What is in another form of Unicode comes back in form C.
  const normalized = (text: string) => text.normalize('NFC')
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map(normalized)
  const thingId = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).map(normalized)
  const things = fc.record({ thingId, n: fc.integer({ min: 1 }), text, more: fc.jsonValue({ maxDepth: 3 }) })
  const extensions = fc.dictionary(fc.stringMatching(/^x[a-z0-9]{1,19}$/), fc.oneof(text, fc.boolean(), fc.integer()), {
    maxKeys: 4
  })
  const space = fc.constantFrom(undefined, 1, '\t')
  fc.assert(
    fc.property(things, extensions, fc.integer({ min: 1 }), space, (own, extra, sequence, indent) => {
      const event = { ...base, ...own, sequence }
      const given = {
        ...attributes,
        ...extra,
        sequence: String(sequence),
        partitionkey: own.thingId,
        subject: `thing/${own.thingId}`
      }
      const published = toMessage(logged(event), base.source, 'https://shop.example')
      const base64 = Buffer.from(JSON.stringify(event)).toString('base64')
      const all = [
        published,
        { ...published, headers: { ...published.headers, ce_unknown: 'x' } },
        binary(own, given),
        structured(JSON.stringify({ ...given, data: event }, null, indent)),
        structured(JSON.stringify({ data: own, ...given }, null, indent)),
        structured({ ...given, data_base64: base64 })
      ].map(read)
      for (const decoded of all) {
        assert.equal(decoded.kind, 'event', JSON.stringify(decoded))
        assert.deepEqual(decoded, { ...all[0]!, event: JSON.parse(JSON.stringify(event)) })
      }
    })
  )
})

test('the bytes of an event are given exactly as they were sent, whatever the mode, and so are attributes that nobody knows', () => {
  const odd = '{"thingId" : "a\\u0062", "n":1.0,\n "data": {"data":[",}\\""]}}'
  const given = { ...attributes, colour: 'red', hot: true, count: 3 }
  const around = JSON.stringify({ ...given, data: '?' }).replace('"?"', `  ${odd} `)
  const base64 = Buffer.from(odd).toString('base64')
  const messages = [
    structured(around),
    structured(around.replace('"specversion"', '"data":{"n":9},"specversion"')),
    structured({ ...given, data_base64: base64 }),
    { ...binary({}, given), body: Buffer.from(odd) }
  ]
  for (const message of messages) {
    const content = contentOf(message)
    assert.equal(Buffer.from(content.data).toString(), odd)
    assert.deepEqual(content.attributes, { ...attributes, colour: 'red', hot: 'true', count: '3' })
  }
  assert.deepEqual(contentOf(plain(base)), { data: Buffer.from(JSON.stringify(base)), attributes: {} })
})

test('a CloudEvents publisher needs no envelope in its data, and may put its domain before the type', () => {
  const expected = { kind: 'event', eventId: base.eventId, source: base.source, key: 'a', event: { ...base } }
  for (const type of [
    'thing.changed.v1',
    'com.example.thing.changed.v1',
    'thing.changed',
    'ThingChanged',
    'com.example.ThingChanged',
    'x.ThingChanged.v1'
  ]) {
    assert.partialDeepStrictEqual(read(binary(data, { ...attributes, type })), expected, type)
    assert.partialDeepStrictEqual(read(structured({ ...attributes, type, data })), expected, type)
  }
  for (const type of ['thing.polished.v1', 'something.changed.v1', 'changed.v1', 'ThingChanged.now'])
    assert.deepEqual(read(binary(data, { ...attributes, type })), { kind: 'ignored', type })
})

test('a sequence that does not count and a time that is another than the timestamp of the body are left aside', () => {
  for (const sequence of ['a7', '', '0', '99999999999999999999'])
    assert.partialDeepStrictEqual(read(binary(data, { ...attributes, sequence })), { kind: 'event', event: { sequence: 1 } })
  const late = { ...attributes, time: '2026-11-22T10:00:05Z' }
  assert.partialDeepStrictEqual(read(binary(base, late)), { kind: 'event', event: { timestamp: base.timestamp } })
})

test('attributes that contradict the body are told, each with both sides', () => {
  const contradictions: [object, RegExp][] = [
    [{ id: 'other' }, /the attribute id is "other", the body's eventId is "0190a000-/],
    [{ source: '/other' }, /the attribute source is "\/other", the body's source is "\/tested-service"/],
    [{ type: 'thing.polished.v1' }, /the attribute type is "thing.polished.v1", the body's eventType is "ThingChanged"/],
    [{ type: 'thing.changed.v2' }, /the attribute type is "thing.changed.v2"/],
    [{ sequence: '8' }, /the attribute sequence is 8, the body's sequence is 7/],
    [{ id: 'other', source: '/other' }, /id is .*; the attribute source is/]
  ]
  for (const [other, says] of contradictions) {
    assert.match(errorOf(binary(base, { ...attributes, ...other })), says)
    assert.match(errorOf(structured({ ...attributes, ...other, data: base })), says)
  }
})

test('what is no CloudEvent in JSON is refused, and told why', () => {
  const event = { ...attributes, data: base }
  const { specversion: _, ...unversioned } = event
  const refused: [Message, RegExp][] = [
    [structured([event], 'application/cloudevents-batch+json'), /a batch of CloudEvents is not read: send a message for each/],
    [structured(event, 'application/cloudevents+avro'), /application\/cloudevents\+avro is not read: CloudEvents are JSON here/],
    [structured('hello'), /the body is not a CloudEvent in JSON/],
    [structured([event]), /the body is not a CloudEvent in JSON/],
    [structured(unversioned), /specversion is missing/],
    [structured({ ...event, specversion: '0.3' }), /CloudEvents 0\.3 is not read, only 1\.0/],
    [binary(base, { ...attributes, specversion: '0.3' }), /CloudEvents 0\.3 is not read, only 1\.0/],
    [structured({ ...event, colour: {} }), /the attribute colour is neither text, number nor boolean/],
    [structured({ ...event, datacontenttype: 'text/xml' }), /the datacontenttype text\/xml is not JSON/],
    [structured({ ...event, data_base64: 'e30=' }), /there is both data and data_base64/],
    [structured(attributes), /there is neither data nor data_base64/],
    [structured({ ...attributes, data_base64: '%%' }), /data_base64 is not base64/],
    [structured({ ...attributes, data: 'text' }), /the body is not a JSON object/],
    [plain(event), /\/eventType is missing; a CloudEvent in structured mode has the content type application\/cloudevents\+json/]
  ]
  for (const [message, says] of refused) assert.match(errorOf(message), says)
})

test('structured mode is known by its content type, however that and its header are written', () => {
  const body = Buffer.from(JSON.stringify({ ...attributes, extra: null, data }))
  for (const [name, type] of [
    ['content-type', 'application/cloudevents+json'],
    ['Content-Type', 'Application/CloudEvents+JSON;charset=UTF-8'],
    ['CONTENT-TYPE', ' application/cloudevents ']
  ] as const)
    assert.equal(read({ ...delivered('a', 1), headers: { [name]: type }, body }).kind, 'event', type)
})
