import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { noOwnRabbitMq } from '../../test/support/brokers.ts'
import { type Certificates, makeCertificates } from '../../test/support/certificates.ts'
import { openFaultProxy } from '../../test/support/fault-proxy.ts'
import { freePort } from '../../test/support/free-port.ts'
import { type RabbitMqServer, startRabbitMq } from '../../test/support/rabbitmq-server.ts'
import { names, numbered, numberOf, range, recording, until } from './conformance-kit.ts'
import { openRabbitMqBroker } from './rabbitmq.ts'

const PACE_MS = 5

describe('a RabbitMQ that fails', { skip: noOwnRabbitMq }, () => {
  let server: RabbitMqServer
  let certificates: Certificates
  let folder: string
  let tlsPort: number

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rabbitmq-crash-'))
    certificates = await makeCertificates(folder)
    tlsPort = await freePort()
    const { ca, cert, key } = certificates.files
    server = await startRabbitMq({
      configuration: [
        `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
        `ssl_options.cacertfile = ${ca}`,
        `ssl_options.certfile = ${cert}`,
        `ssl_options.keyfile = ${key}`,
        'ssl_options.verify = verify_peer',
        'ssl_options.fail_if_no_peer_cert = true'
      ]
    })
  })
  after(async () => {
    await server?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  test('killed again and again under load, it loses nothing that publishing accepted, and the same broker goes on', {
    timeout: 300_000
  }, async () => {
    await using broker = await openRabbitMqBroker({ url: server.url })
    const { topic, group } = names()
    const reader = recording({ topic, group })
    const arrived = new Set<number>()
    await using _ = await broker.subscribe({
      ...reader,
      handle: delivery => {
        arrived.add(numberOf(delivery))
        return reader.handle(delivery)
      }
    })
    const declaredAt = performance.now()
    const accepted = new Set<number>()
    let rejected = 0
    let over = false
    const publishing = numbered(topic, 4, n => `key-${n}`).map(async (message, publisher) => {
      for (let first = publisher; !over; first += 40) {
        const ten = range(10).map(n => ({ ...message, headers: { n: `${first + 4 * n}` } }))
        // Again until they are accepted, as a relay does: only so can there be an order to keep.
        for (let done = false; !done && !over; ) {
          done = await broker.publish(ten).then(
            () => true,
            () => false
          )
          if (!done) rejected++
          else for (const { headers } of ten) accepted.add(Number(headers.n))
          // A load, and not all that this process can do: it has to read as well.
          await delay(PACE_MS)
        }
      }
    })
    try {
      // RabbitMQ notes only after half a second where a quorum queue is: killed before, it has lost the queue for good.
      await until('the queue will survive a crash', () => performance.now() - declaredAt > 2_000)
      for (const crashes of range(2)) {
        const enough = accepted.size + 1_000
        await until(`messages are accepted after ${crashes} crashes`, () => accepted.size > enough, 60_000)
        await server.kill()
        await server.start()
      }
      const atLast = accepted.size
      await until('the broker goes on after the last crash', () => accepted.size > atLast + 100, 60_000)
    } finally {
      over = true
      await Promise.all(publishing)
    }
    await until('everything accepted has arrived', () => [...accepted].every(n => arrived.has(n)), 60_000)
    assert.ok(rejected > 0)
    for (const publisher of range(4)) {
      const firsts = [...new Set(reader.numbers().filter(n => n % 4 === publisher))]
      assert.deepEqual(
        firsts,
        firsts.toSorted((one, other) => one - other)
      )
    }
  })

  test('while it is short of memory publishing rejects at once and consuming goes on; afterwards it is accepted again', async () => {
    await using broker = await openRabbitMqBroker({ url: server.url })
    const { topic, group } = names()
    let held = true
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({ ...reader, handle: async delivery => (held ? 'retry' : reader.handle(delivery)) })
    await broker.publish(numbered(topic, 20, n => `${n}`))
    await server.evaluate('rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []})')
    try {
      await assert.rejects(broker.publish(numbered(topic, 1)), /RabbitMQ takes no messages now: it is low on memory/)
      await assert.rejects(broker.publish(numbered(names().topic, 1)), /RabbitMQ takes no messages now: it is low on memory/)
      held = false
      await until('what it has is consumed', () => reader.got.length >= 20)
    } finally {
      await server.evaluate('rabbit_alarm:clear_alarm({resource_limit, memory, node()})')
    }
    await until('it accepts again', () =>
      broker.publish(numbered(topic, 1)).then(
        () => true,
        () => false
      )
    )
  })

  test('a line that has gone silent is noticed within 20 s by both sides, and nothing is lost', async () => {
    await using line = await openFaultProxy(server.url)
    await using broker = await openRabbitMqBroker({ url: line.url })
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const messages = numbered(topic, 40, n => `${n % 4}`)
    await broker.publish(messages.slice(0, 20))
    await until('they arrive', () => reader.got.length === 20)
    line.weather({ silent: true })
    const began = performance.now()
    await assert.rejects(broker.publish(messages.slice(20)), /RabbitMQ has not accepted the messages: Heartbeat timeout/)
    assert.ok(performance.now() - began < 20_000)
    line.heal()
    await until('it accepts again', () =>
      broker.publish(messages.slice(20)).then(
        () => true,
        () => false
      )
    )
    await until('everything arrives', () => new Set(reader.numbers()).size === 40)
  })

  test('the permissions that are documented are enough, and without them it is said what is missing', async () => {
    // As bytes: what else they pass through may know no UTF-8.
    const binary = (text: string) => `<<${[...Buffer.from(text)].join(',')}>>`
    const call = (name: string, ...args: string[]) =>
      server.evaluate(`rabbit_auth_backend_internal:${name}(${[...args, 'acting'].map(binary).join(', ')})`)
    await call('add_user', 'svc', 'p@ss/wörd')
    const url = new URL(server.url)
    url.username = 'svc'
    url.password = encodeURIComponent('p@ss/wörd')
    await assert.rejects(
      openRabbitMqBroker({ url: url.href }),
      /the user 'svc' may not use the virtual host '\/', or it is not there/
    )
    await call('set_permissions', 'svc', '/', '^$', '^$', '^$')
    const { topic, group } = names()
    {
      await using broker = await openRabbitMqBroker({ url: url.href })
      const missing = /ACCESS_REFUSED.*The user needs the permissions of docs\/how-to\/rabbitmq.md/
      await assert.rejects(broker.publish(numbered(topic, 1)), missing)
      await assert.rejects(broker.subscribe(recording({ topic, group })), missing)
    }
    const own = '^conformance[.].+'
    await call('set_permissions', 'svc', '/', own, `${own}|^amq[.]default$`, own)
    await using broker = await openRabbitMqBroker({ url: url.href })
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({ ...reader, handle: async each => (await reader.handle(each)) && 'dead-letter' })
    await broker.publish(numbered(topic, 3))
    await until('they arrive', () => reader.got.length === 3)
  })

  test('over TLS it is spoken to by who trusts its authority and shows a certificate, and nobody else', async () => {
    const url = `amqps://guest:guest@127.0.0.1:${tlsPort}`
    const { ca, client } = certificates
    {
      await using broker = await openRabbitMqBroker({ url, tls: { ca, ...client } })
      const { topic, group } = names()
      const reader = recording({ topic, group })
      await using _ = await broker.subscribe(reader)
      await broker.publish(numbered(topic, 3))
      await until('they arrive', () => reader.got.length === 3)
    }
    await assert.rejects(openRabbitMqBroker({ url, tls: client }), /cannot be reached: .*(self-signed|unable to verify)/)
    await assert.rejects(openRabbitMqBroker({ url, tls: { ca } }), /cannot be reached: .*certificate required/)
  })
})
