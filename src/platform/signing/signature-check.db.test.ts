import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import { after, beforeEach, suite, test } from 'node:test'
import type { Message } from '#broker/broker.ts'
import { type Key, newKey, signatureOf, startKeyPublisher } from '../../../test/support/key-publisher.ts'
import { openMessaging, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { toMessage } from '../messaging/cloudevents.ts'
import { openSignatureCheck, type SignatureCheck } from './signature-check.ts'

const tested = await openMessaging()
after(() => tested[Symbol.asyncDispose]())
const { database } = tested
beforeEach(() => database.query('truncate trusted_key_sets'))

const [ours, theirs] = [newKey(), newKey()]
const publisher = await startKeyPublisher(ours)
const neighbour = await startKeyPublisher(theirs)
after(() => Promise.all([publisher, neighbour].map(each => each[Symbol.asyncDispose]())))
beforeEach(() => {
  for (const [each, key] of [
    [publisher, ours],
    [neighbour, theirs]
  ] as const) {
    each.keys = [key.jwk]
    each.answer = undefined
    each.asked = 0
  }
})

const SOURCE = '/product-service'
const policies = { 'product.events': 'require', 'order.events': 'warn', 'user.events': 'off' } as const
/** Each with a clock of its own, which goes on when it is told to. */
function opened(more: Partial<Parameters<typeof openSignatureCheck>[0]> = {}): SignatureCheck & { pass(ms: number): void } {
  let passed = 0
  const now = () => performance.now() + passed
  const sources = [
    { source: SOURCE, topic: 'product.events', configured: '', url: () => publisher.url },
    { source: '/order-service', topic: 'order.events', configured: '', url: () => neighbour.url }
  ]
  const check = openSignatureCheck({ policies, sources, database, log: quiet, now, ...more })
  return {
    ...check,
    pass(ms) {
      passed += ms
    }
  }
}

/** As the outlet sends it, signed by nobody yet. */
function unsigned(body: Record<string, unknown> = {}): Message {
  const event = { eventId: randomUUID(), eventType: 'ThingChanged', eventVersion: 1, source: SOURCE, sequence: 17 }
  const whole = { ...event, timestamp: '2026-11-22T10:00:00.000Z', thingId: 'a', n: 17, ...body }
  const text = JSON.stringify(whole)
  const logged = {
    position: 1,
    topic: 'product.events',
    key: 'a',
    type: 'ThingChanged',
    version: 1,
    subject: 'thing/a',
    sequence: 17
  }
  const rest = { event_id: String(whole.eventId), body: text, traceparent: null, logged_at: '2026-11-22T10:00:01.000Z' }
  return toMessage({ ...logged, ...rest } as Parameters<typeof toMessage>[0], SOURCE, 'http://localhost:8080')
}

const withHeaders = (message: Message, headers: Record<string, string>): Message => ({
  ...message,
  headers: { ...message.headers, ...headers }
})
function signed(key: Key = ours, body: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Message {
  const message = unsigned(body)
  return withHeaders(message, { ce_signature: signatureOf(key, message.body, header) })
}

/** 'accepted', 'unsigned', 'pending', 'unavailable', or the fault. */
async function verdict(check: SignatureCheck, message: Message, source = SOURCE): Promise<string> {
  const checked = await check.check(message, { source, contract: ThingChanged as never })
  if (checked.kind === 'refused') return checked.fault
  if (checked.kind === 'pending') return checked.absent ? 'pending' : 'unavailable'
  return checked.unsigned ? 'unsigned' : 'accepted'
}

test('an event that its source signed is accepted, under both names of the algorithm', async () => {
  const check = opened()
  assert.equal(await verdict(check, signed()), 'accepted')
  assert.equal(await verdict(check, signed(ours, {}, { alg: 'Ed25519' })), 'accepted')
  assert.equal(publisher.asked, 1)
})

test('so is one in structured mode, whose signature is over its data as it stands in the envelope', async () => {
  const { headers, body } = signed()
  const attributes = Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (name.startsWith('ce_') ? [[name.slice(3), value]] : []))
  )
  const envelope = (data: string) =>
    `${JSON.stringify({ ...attributes, datacontenttype: 'application/json' }).slice(0, -1)},"data":${data}}`
  const structured = (data: string) => ({
    ...signed(),
    headers: { 'content-type': 'application/cloudevents+json' },
    body: Buffer.from(envelope(data))
  })
  const data = Buffer.from(body).toString()
  assert.equal(await verdict(opened(), structured(data)), 'accepted')
  assert.equal(await verdict(opened(), structured(data.replace('"n":17', '"n":18'))), 'signature-invalid')
})

suite('a forgery is refused', () => {
  const { sequence: _, ...withoutSequence } = JSON.parse(Buffer.from(unsigned().body).toString())
  const hmacWithPublicKey = (message: Message) => {
    const head = Buffer.from(JSON.stringify({ alg: 'HS256', kid: ours.kid, b64: false, crit: ['b64'] })).toString('base64url')
    const secret = ours.publicKey.export({ format: 'der', type: 'spki' })
    return `${head}..${createHmac('sha256', secret).update(`${head}.`).update(message.body).digest('base64url')}`
  }
  const forged: [string, () => Message, string][] = [
    ['another body', () => ({ ...signed(), body: Buffer.from(unsigned({ n: 18 }).body) }), 'signature-invalid'],
    ['one byte more', () => ({ ...signed(), body: Buffer.concat([signed().body, Buffer.from(' ')]) }), 'signature-invalid'],
    [
      'a signature of another event',
      () => withHeaders(signed(), { ce_signature: signed().headers.ce_signature! }),
      'signature-invalid'
    ],
    [
      'half a signature',
      () => withHeaders(signed(), { ce_signature: signed().headers.ce_signature!.slice(0, -40) }),
      'signature-invalid'
    ],
    ['no signature', () => unsigned(), 'signature-missing'],
    ['an empty signature', () => withHeaders(unsigned(), { ce_signature: '' }), 'signature-invalid'],
    ['nonsense', () => withHeaders(unsigned(), { ce_signature: 'a..b' }), 'signature-invalid'],
    ['alg none', () => signed(ours, {}, { alg: 'none' }), 'signature-invalid'],
    [
      'HS256 with the public key',
      () => withHeaders(unsigned(), { ce_signature: hmacWithPublicKey(unsigned()) }),
      'signature-invalid'
    ],
    ['ES256', () => signed(ours, {}, { alg: 'ES256' }), 'signature-invalid'],
    ['b64 true', () => signed(ours, {}, { b64: true }), 'signature-invalid'],
    ['b64 left out', () => signed(ours, {}, { b64: undefined }), 'signature-invalid'],
    ['b64 not critical', () => signed(ours, {}, { crit: undefined }), 'signature-invalid'],
    ['something else critical too', () => signed(ours, {}, { crit: ['b64', 'exp'], exp: 0 }), 'signature-invalid'],
    [
      'a body that is attached',
      () => withHeaders(signed(), { ce_signature: signed().headers.ce_signature!.replace('..', '.e30.') }),
      'signature-invalid'
    ],
    ['no kid', () => signed(ours, {}, { kid: undefined }), 'signature-invalid'],
    ['the neighbour’s signature under our kid', () => signed({ ...theirs, kid: ours.kid }), 'signature-invalid'],
    ['the neighbour’s signature under its own kid', () => signed(theirs), 'pending'],
    ['an id that the body does not have', () => withHeaders(signed(), { ce_id: randomUUID() }), 'signature-mismatch'],
    ['another source', () => withHeaders(signed(), { ce_source: '/order-service' }), 'signature-mismatch'],
    ['another type', () => withHeaders(signed(), { ce_type: 'thing.deleted.v1' }), 'signature-mismatch'],
    ['another version', () => withHeaders(signed(), { ce_type: 'thing.changed.v2' }), 'signature-mismatch'],
    ['another time', () => withHeaders(signed(), { ce_time: '2026-11-22T10:00:00.001Z' }), 'signature-mismatch'],
    ['another sequence', () => withHeaders(signed(), { ce_sequence: '00000000000000000018' }), 'signature-mismatch'],
    ['a sequence that is no number', () => withHeaders(signed(), { ce_sequence: '17e0' }), 'signature-mismatch'],
    [
      'a sequence where the body has none',
      () => {
        const message = unsigned()
        const body = Buffer.from(JSON.stringify({ ...withoutSequence, eventId: message.headers.ce_id }))
        return withHeaders({ ...message, body }, { ce_signature: signatureOf(ours, body) })
      },
      'signature-mismatch'
    ],
    ['another subject', () => withHeaders(signed(), { ce_subject: 'thing/b' }), 'signature-mismatch'],
    ['another partition key', () => withHeaders(signed(), { ce_partitionkey: 'b' }), 'signature-mismatch'],
    ['another key', () => ({ ...signed(), key: 'b' }), 'signature-mismatch'],
    [
      'another schema',
      () => withHeaders(signed(), { ce_dataschema: 'http://localhost:8080/schemas/events/ThingChanged/2' }),
      'signature-mismatch'
    ]
  ]
  for (const [what, forge, fault] of forged) {
    test(what, async () => assert.equal(await verdict(opened(), forge()), fault))
  }

  test('and makes nobody fetch keys, where it can never be accepted', async () => {
    const check = opened()
    for (const header of [
      { alg: 'none' },
      { alg: 'HS256' },
      { b64: true },
      { crit: [] },
      { kid: undefined },
      { kid: 'x'.repeat(201) }
    ])
      assert.equal(await verdict(check, signed(ours, {}, header)), 'signature-invalid')
    assert.equal(publisher.asked, 0)
  })
})

suite('a source speaks with its own keys, on its own topic', () => {
  test('a neighbour with good keys of its own cannot speak for another, nor on another’s topic', async () => {
    const check = opened()
    await verdict(check, signed())
    assert.equal(await verdict(check, signed(theirs), SOURCE), 'pending')
    const own = { ...signed(theirs, { source: '/order-service' }) }
    assert.equal(
      await verdict(check, withHeaders(own, { ce_source: '/order-service' }), '/order-service'),
      'signature-unknown-source'
    )
  })

  test('nor can its own event be carried to a topic where it does not belong', async () => {
    const sources = [{ source: SOURCE, topic: 'order.events', configured: '', url: () => publisher.url }]
    assert.equal(await verdict(opened({ sources }), { ...signed(), topic: 'order.events' }), 'signature-mismatch')
  })

  test('a topic that nobody has spoken of is required to be signed', async () => {
    assert.equal(await verdict(opened(), { ...unsigned(), topic: 'other.events' }), 'signature-missing')
  })
})

suite('a topic whose publishers need not sign', () => {
  const onOrders = (message: Message) => ({ ...message, topic: 'order.events' })

  test('takes what is not signed, and what is signed by somebody unknown, with a warning', async () => {
    assert.equal(await verdict(opened(), onOrders(unsigned())), 'unsigned')
    assert.equal(await verdict(opened(), onOrders(signed()), '/somebody'), 'unsigned')
  })

  test('takes what is signed with keys of which nobody has said where they are, which it would wait for if it were required', async () => {
    const sources = ['order', 'product'].map(name => ({
      ...{ source: `/${name}-service`, topic: `${name}.events`, configured: '', url: () => undefined }
    }))
    const check = opened({ sources })
    assert.equal(await verdict(check, onOrders(signed(theirs)), '/order-service'), 'unsigned')
    assert.equal(await verdict(check, signed()), 'unavailable')
  })

  test('refuses all the same what is signed badly, and waits for a key that is not published', async () => {
    const check = opened()
    assert.equal(
      await verdict(check, onOrders({ ...signed(theirs), body: Buffer.from('{}') }), '/order-service'),
      'signature-invalid'
    )
    assert.equal(await verdict(check, onOrders(signed(ours)), '/order-service'), 'pending')
    assert.equal(await verdict(check, onOrders(signed(theirs, {}, { alg: 'none' })), '/order-service'), 'signature-invalid')
  })

  test('is not looked at where signatures are off', async () => {
    assert.equal(await verdict(opened(), { ...signed(ours, {}, { alg: 'none' }), topic: 'user.events' }), 'accepted')
  })
})
