import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { flattenedVerify, importJWK } from 'jose'
import type { Message } from '#broker/broker.ts'
import { change, delivered, leaveEffect, openMessaging, openTested, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { consume } from '../messaging/consume.ts'
import { on } from '../messaging/consumer.ts'
import { startBrokerOutlet } from '../messaging/outlet.ts'
import { startRetries } from '../messaging/parking.ts'
import { redeliver } from '../messaging/redeliver.ts'
import { startRelay } from '../messaging/relay.ts'
import { openWakeup } from '../messaging/wakeup.ts'
import { openKeySet } from './key-sets.ts'
import { openSealing } from './sealing.ts'
import { openSignatureCheck } from './signature-check.ts'
import { openSigner } from './signing.ts'
import { readPublicKeys, readSigningKeys, revokeSigningKey, rotateSigningKey } from './signing-keys.ts'

const tested = await openMessaging()
after(() => tested[Symbol.asyncDispose]())
const { database } = tested
const sealing = openSealing('a secret of thirty-two characters or more')
beforeEach(() => database.query('truncate signing_keys, effects, inbox, parked_messages, dead_letters, trusted_key_sets'))

const kidOf = ({ headers }: Message) =>
  JSON.parse(Buffer.from(headers.ce_signature!.split('.')[0]!, 'base64url').toString()).kid as string

/** The key set as the service serves it. */
async function servedKeys(): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(async (_request, response) => {
    response
      .writeHead(200, { 'cache-control': 'public, max-age=600' })
      .end(JSON.stringify({ keys: await readPublicKeys(database, 90) }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    }
  }
}

test('a signature is a detached JWS over the exact bytes, which others verify with nothing of ours', async () => {
  const sign = openSigner({ database, sealing })
  const messages = [
    delivered('a', 1),
    delivered('ä "\\u00e4"', 2, { body: '{ "odd" :\t"ä\\u00e4" }\n' }),
    delivered('a', 3, { body: '' })
  ]
  const signed = await sign(messages)
  const [jwk] = await readPublicKeys(database, 90)
  for (const [index, { headers, body }] of signed.entries()) {
    assert.deepEqual(body, messages[index]!.body)
    const [header, payload, signature] = headers.ce_signature!.split('.') as [string, string, string]
    assert.deepEqual(
      [JSON.parse(Buffer.from(header, 'base64url').toString()), payload],
      [{ alg: 'EdDSA', kid: jwk!.kid, typ: 'event+jws', b64: false, crit: ['b64'] }, '']
    )
    // By hand, as in any language that knows Ed25519.
    const input = Buffer.concat([Buffer.from(`${header}.`), body])
    const key = createPublicKey({ key: jwk!, format: 'jwk' })
    assert.ok(verify(null, input, key, Buffer.from(signature, 'base64url')))
    assert.ok(!verify(null, Buffer.concat([input, Buffer.from(' ')]), key, Buffer.from(signature, 'base64url')))
    // And by a library.
    const verified = await flattenedVerify({ protected: header, payload: body, signature }, await importJWK(jwk!))
    assert.deepEqual(Buffer.from(verified.payload), Buffer.from(body))
  }
})

test('what the outlet sends is signed with the key of then, a second after it has changed at the latest', async () => {
  const published: Message[] = []
  const broker = {
    system: 'postgresql' as const,
    publish: async (messages: readonly Message[]) => void published.push(...messages),
    subscribe: () => Promise.reject(new Error('nothing to subscribe to')),
    async [Symbol.asyncDispose]() {}
  }
  const eventLog = openWakeup(database, 'event log')
  await using _relay = startRelay({ database, outbox: openWakeup(database, 'outbox'), eventLog, log: quiet })
  const sign = openSigner({ database, sealing })
  await using _outlet = startBrokerOutlet({ database, broker, source: '/tested-service', eventLog, sign, log: quiet })
  const send = () => database.transact(tx => change(tx, 'sent'))
  await send()
  await eventually(
    async () => published.length,
    count => count === 1
  )
  const first = kidOf(published[0]!)
  const { active } = (await revokeSigningKey(database, sealing, first))!
  await eventually(
    async () => {
      await send()
      return published.at(-1)!
    },
    message => kidOf(message) === active
  )
  assert.ok(published.every(message => [first, active].includes(kidOf(message))))
})

test('nothing goes out unsigned: without a key that can be opened, events wait', async () => {
  await openSigner({ database, sealing })([delivered('a', 1)])
  const others = openSigner({ database, sealing: openSealing('another secret of thirty-two characters') })
  await assert.rejects(others([delivered('a', 2)]), /sealed with another SIGNING_KEY_SECRET/)
})

/** So fast goes the clock of keys and key sets: a minute is a tenth of a second. */
const FASTER = 600
const LEAD_SECONDS = 1200 / FASTER

test('keys rotate under load, begun by two processes at once, and not one event is refused or has to wait', async () => {
  const now = () => performance.now() * FASTER
  await using other = openTested(tested.url, 4)
  await using served = await servedKeys()
  const check = openSignatureCheck({
    policies: { 'product.events': 'require' },
    sources: [{ source: '/tested-service', topic: 'product.events', configured: '', url: () => served.url }],
    database,
    log: quiet,
    now
  })
  const reactions = [on(ThingChanged, leaveEffect)]
  const consumer = { name: 'tested.things', reactions, database, retryDelaysMs: [], signatures: check, log: quiet }
  const senders = [database, other].map(each => openSigner({ database: each, sealing, now }))
  const kids = new Set<string>()
  let sent = 0
  let over = false
  const load = senders.map(async (sign, index) => {
    for (let n = 1; !over; n++) {
      const events = ['a', 'b', 'c'].map(key => delivered(`${key}${index}`, n, { event: { source: '/tested-service' } }))
      const messages = await sign(events)
      for (const message of messages) kids.add(kidOf(message))
      sent += messages.length
      const verdicts = await Promise.all(messages.map((message, at) => consume(consumer, { ...message, position: `test@${at}` })))
      assert.deepEqual(verdicts, ['ack', 'ack', 'ack'])
    }
  })
  for (let rotations = 1; rotations <= 3; rotations++) {
    const [next] = await Promise.all([database, other].map(each => rotateSigningKey(each, sealing, LEAD_SECONDS)))
    await eventually(
      async () => kids.has(next!.kid),
      seen => seen
    )
  }
  over = true
  await Promise.all(load)
  const [row] = await database.query(
    'select (select count(*) from effects) as effects, (select count(*) from parked_messages) as parked, (select count(*) from dead_letters) as dead'
  )
  assert.deepEqual(row, { effects: sent, parked: 0, dead: 0 })
  assert.deepEqual(
    (await readSigningKeys(database)).map(({ state }) => state),
    ['active', 'retired', 'retired', 'retired']
  )
  assert.equal(kids.size, 4)
})

test('what is redelivered from the event log and has to wait is believed when it is tried again', async () => {
  await using served = await servedKeys()
  const eventLog = openWakeup(database, 'event log')
  await using _relay = startRelay({ database, outbox: openWakeup(database, 'outbox'), eventLog, log: quiet })
  await database.transact(tx => change(tx, 'redelivered'))
  const position = async () => (await database.query<{ position: number }>('select position from event_log_head'))[0]!.position
  const from = await eventually(position, at => at > 0)
  let broken = true
  const consumer = {
    name: 'tested.things',
    reactions: [
      on(ThingChanged, async (tx, event) => {
        if (broken) throw new Error('not now')
        await leaveEffect(tx, event)
      })
    ],
    database,
    retryDelaysMs: [10],
    signatures: openSignatureCheck({
      policies: { 'product.events': 'require' },
      sources: [{ source: '/tested-service', topic: 'product.events', configured: '', url: () => served.url }],
      database,
      log: quiet
    }),
    log: quiet
  }
  const sign = openSigner({ database, sealing })
  const signal = AbortSignal.timeout(60_000)
  const range = { from, to: from }
  const done = await redeliver({ consumer, eventLog: database, source: '/tested-service', range, signal, sign, tell: () => {} })
  assert.equal(done.parked, 1)
  broken = false
  await using _ = startRetries(consumer)
  await eventually(
    () => database.query('select * from effects'),
    rows => rows.length === 1
  )
  assert.deepEqual(await database.query('select reason from dead_letters'), [])
})

test('what a revoked key signed is refused by whoever has asked for the keys since', async () => {
  await using served = await servedKeys()
  const sign = openSigner({ database, sealing })
  const [message] = await sign([delivered('a', 1)])
  const kid = kidOf(message!)
  let passed = 0
  const of = { source: '/tested-service', configured: '', url: () => served.url }
  const keySet = openKeySet({ of, database, log: quiet, now: () => passed })
  assert.equal((await keySet.find(kid)).kind, 'key')
  await revokeSigningKey(database, sealing, kid)
  passed = 600_001
  assert.equal((await keySet.find(kid)).kind, 'absent')
})
