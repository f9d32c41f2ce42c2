/** Consumer groups on Kafka as members come, go, hang and die, and the broker itself dies. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Admin } from '@platformatic/kafka'
import { noOwnKafka } from '../../test/support/brokers.ts'
import { type KafkaServer, startKafka } from '../../test/support/kafka-server.ts'
import type { Broker, Delivery, Message } from './broker.ts'
import { inOrder, names, numbered, numberOf, range, recording, until } from './conformance-kit.ts'
import { openKafkaBroker } from './kafka.ts'

describe('A consumer group on Kafka', { skip: noOwnKafka, timeout: 400_000 }, () => {
  let server: KafkaServer
  before(async () => {
    server = await startKafka()
  })
  after(() => server?.[Symbol.asyncDispose]())
  const open = () => openKafkaBroker({ url: server.url })
  const spawnMember = (group: string, topic: string) => {
    const script = fileURLToPath(new URL('./conformance-member.ts', import.meta.url))
    const member = spawn(process.execPath, [script, server.url, group, topic], { stdio: ['ignore', 'pipe', 'inherit'] })
    const printed: number[] = []
    createInterface(member.stdout).on('line', line => void (/^\d+$/.test(line) && printed.push(Number(line))))
    return { member, printed }
  }

  test('as members come and go under load, nothing is lost, nothing overtakes, and no key is in two hands', {
    timeout: 120_000
  }, async () => {
    await using broker = await open()
    const { topic, group } = names()
    const ledger = openLedger(24)
    const messages = numbered(topic, 6_000, n => `key-${n % 24}`)
    const publishing = (async () => {
      for (let from = 0; from < 6_000; from += 100) {
        await broker.publish(messages.slice(from, from + 100))
        await until('half of it is handled', () => ledger.seen() > from - 600, 60_000)
      }
    })()
    const join = async () => {
      const member = await open()
      await member.subscribe({ ...recording({ topic, group }), concurrency: 4, handle: ledger.handle })
      return member
    }
    const members = [await join()]
    await until('one member works', () => ledger.seen() > 300)
    members.push(await join(), await join())
    await until('three members work', () => ledger.seen() > 2_500, 60_000)
    for (const member of members.splice(0, 2)) await member[Symbol.asyncDispose]()
    await publishing
    await until('all are handled', () => ledger.seen() === 6_000, 60_000)
    await members[0]![Symbol.asyncDispose]()
    ledger.check()
    // Whoever leaves in order, or gives partitions away, has committed what it did.
    assert.equal(ledger.repeated(), 0)
  })

  test('a partition moves only after what is in flight is done with, and the partitions that stay are not interrupted', async () => {
    await using broker = await open()
    const { topic, group } = names()
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const [first, second] = [recording({ topic, group }), recording({ topic, group })]
    let slow = 0
    await using _first = await broker.subscribe({
      ...first,
      concurrency: 24,
      async handle(delivery) {
        if (delivery.key.startsWith('key-') && numberOf(delivery) < 12) {
          slow++
          await released
        }
        return first.handle(delivery)
      }
    })
    const messages = numbered(topic, 600, n => `key-${n % 12}`)
    const others = numbered(topic, 1_200, n => `other-${n % 40}`)
    await broker.publish(messages.slice(0, 12))
    await until('all keys are in flight', () => slow === 12)
    await using elsewhere = await open()
    await using _second = await elsewhere.subscribe(second)
    // When the test fails, too, lest disposing wait for ever.
    using _ = { [Symbol.dispose]: release }
    const admin = new Admin({ clientId: 'operator', bootstrapBrokers: [server.url.replace('kafka://', '')] })
    await until(
      'both are in the group',
      async () => (await admin.describeGroups({ groups: [group] })).get(group)?.members.size === 2
    )
    await admin.close()
    let from = 0
    const publishMore = async () => {
      await broker.publish(others.slice(from, from + 40))
      from = (from + 40) % 1_200
    }
    const before = first.got.length
    await until('partitions that stay go on while others wait', async () => {
      await publishMore()
      return first.got.length > before + 100
    })
    assert.equal(second.got.length, 0)
    release()
    await until('partitions have moved', async () => {
      await publishMore()
      return second.got.length > 0
    })
    await broker.publish(messages.slice(12))
    const keys = () => [...first.got, ...second.got].filter(({ key }) => key.startsWith('key-')).map(numberOf)
    await until('all are handled', () => new Set(keys()).size === 600)
    assert.deepEqual(inOrder(keys()), range(600))
  })

  test('a member that leaves is replaced at once', async () => {
    await using broker = await open()
    await using elsewhere = await open()
    const { topic, group } = names()
    const [first, second] = [recording({ topic, group }), recording({ topic, group })]
    const leaving = await broker.subscribe(first)
    await using _ = await elsewhere.subscribe(second)
    await until('both work', async () => {
      await broker.publish(numbered(topic, 24, n => `key-${n}`))
      return first.got.length > 0 && second.got.length > 0
    })
    await leaving[Symbol.asyncDispose]()
    const before = new Set(second.got.map(({ key }) => key)).size
    assert.ok(before < 24)
    await broker.publish(numbered(topic, 24, n => `key-${n}`))
    await until('the other has every key', () => new Set(second.got.map(({ key }) => key)).size === 24, 6_000)
  })

  test('a member that was frozen finds itself replaced, and comes back without losing anything', { timeout: 120_000 }, async () => {
    await using broker = await open()
    const { topic, group } = names()
    const { member, printed } = spawnMember(group, topic)
    try {
      await broker.publish(numbered(topic, 50, n => `key-${n % 10}`))
      await until('the member works', () => new Set(printed).size === 50)
      member.kill('SIGSTOP')
      const messages = numbered(topic, 400, n => `key-${n % 10}`).slice(50)
      await broker.publish(messages.slice(0, 100))
      const reader = recording({ topic, group })
      await using _ = await broker.subscribe(reader)
      await until('the other has taken over', () => new Set(reader.numbers()).size >= 100, 40_000)
      member.kill('SIGCONT')
      const done = () => new Set([...printed, ...reader.numbers()])
      await until('both work', async () => {
        await broker.publish(messages.splice(100, 10))
        return printed.some(n => n >= 150) || messages.length === 100
      })
      await broker.publish(messages.splice(100))
      await until('all is done', () => range(400).every(n => done().has(n)), 40_000)
    } finally {
      member.kill('SIGKILL')
    }
  })

  test('a topic that is deleted and created again is read from its first message, however far the one before was read', {
    timeout: 120_000
  }, async () => {
    const { topic, group } = names()
    const admin = new Admin({ clientId: 'operator', bootstrapBrokers: [new URL(server.url).host] })
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 })
    const { member, printed } = spawnMember(group, topic)
    try {
      await using broker = await open()
      await broker.publish(numbered(topic, 20))
      await until('it has read', () => new Set(printed).size === 20)
      // It is to look at the new topic when that has more than was read of the old one.
      member.kill('SIGSTOP')
      await admin.deleteTopics({ topics: [topic] })
      await until('there is another', () =>
        admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }).then(
          () => true,
          () => false
        )
      )
      await using elsewhere = await open()
      await elsewhere.publish(numbered(topic, 60).slice(20))
      member.kill('SIGCONT')
      await until('it has read all of it', () => new Set(printed).size === 60)
    } finally {
      member.kill('SIGKILL')
      await admin.close()
    }
  })

  test('a broker that is killed under load, twice, has what it accepted, and both sides go on by themselves', {
    timeout: 300_000
  }, async () => {
    await using broker = await open()
    const { topic, group } = names()
    const ledger = openLedger(20)
    await using _ = await broker.subscribe({ ...recording({ topic, group }), concurrency: 4, handle: ledger.handle })
    const messages = numbered(topic, 4_000, n => `key-${n % 20}`)
    const publishing = publishAll(broker, messages)
    for (const when of [500, 2_000]) {
      await until('messages flow', () => ledger.seen() > when, 90_000)
      await server.kill()
      await delay(500)
      await server.start()
    }
    await publishing
    await until('all are handled', () => ledger.seen() === 4_000, 90_000)
    ledger.check()
  })
})

/** What has been handled, by any member, in the order that it was. */
function openLedger(keys: number) {
  const handled: number[] = []
  const seen = new Set<number>()
  const inFlight = new Set<string>()
  const faults: string[] = []
  return {
    seen: () => seen.size,
    repeated: () => handled.length - seen.size,
    async handle(delivery: Delivery): Promise<'ack'> {
      if (inFlight.has(delivery.key)) faults.push(`${delivery.key} is in two hands`)
      inFlight.add(delivery.key)
      await delay(1)
      inFlight.delete(delivery.key)
      handled.push(numberOf(delivery))
      seen.add(numberOf(delivery))
      return 'ack'
    },
    check() {
      assert.deepEqual(faults, [])
      const before = new Set<number>()
      for (const n of handled) {
        assert.ok(n < keys || before.has(n - keys), `${n} came before ${n - keys}`)
        before.add(n)
      }
    }
  }
}

/** Again and again until it is accepted, as the outlet does. */
async function publishAll(broker: Broker, messages: readonly Message[]): Promise<void> {
  for (let from = 0; from < messages.length; from += 50)
    await until(
      'the broker accepts',
      () =>
        broker.publish(messages.slice(from, from + 50)).then(
          () => true,
          () => false
        ),
      120_000
    )
}
