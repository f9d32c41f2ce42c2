import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Broker, Message } from './broker.ts'
import type { Promises } from './conformance.ts'
import { inOrder, names, numbered, numberOf, range, recording, until } from './conformance-kit.ts'

/** Death, outages and leaving: nothing that was accepted is lost. */
export const failing: Promises = {
  async 'disposing waits for what is in flight, starts nothing more, and leaves the rest to the next member'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const done: number[] = []
    const started: number[] = []
    const leaving = await broker.subscribe({
      ...recording({ topic, group }),
      concurrency: 3,
      async handle(delivery) {
        started.push(numberOf(delivery))
        if (started.length > 4) await released
        done.push(numberOf(delivery))
        return 'ack'
      }
    })
    await broker.publish(numbered(topic, 20, n => `key-${n}`))
    await until('three are in flight', () => started.length === 7)
    let left = false
    const disposed = leaving[Symbol.asyncDispose]().then(() => {
      left = true
    })
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    assert.equal(left, false)
    release()
    await disposed
    assert.equal(started.length, 7)
    assert.equal(done.length, 7)
    await until('the rest has arrived', () => reader.got.length >= 13)
    assert.deepEqual(inOrder([...done, ...reader.numbers()]), range(20))
  },

  async 'nothing is lost when a member is killed while it handles messages'({ open, url, features }) {
    await using broker = await open()
    const { topic, group } = names()
    await using victim = await memberProcess(url, group, topic)
    const messages = numbered(topic, 40, n => `key-${n % 8}`)
    await broker.publish(
      messages.map(message => (numberIn(message) >= 16 ? { ...message, headers: { ...message.headers, hang: 'yes' } } : message))
    )
    await until('eight hang', () => victim.printed.length >= 24)
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    await victim.kill()
    await until(
      'the other member has the rest',
      () =>
        range(40)
          .slice(16)
          .every(n => reader.numbers().includes(n)),
      features.takeoverMs
    )
    assert.deepEqual(inOrder(new Set([...victim.printed.filter(n => n < 16), ...reader.numbers()])), range(40))
  },

  async '5,000 messages with retries and a killed member end complete and in order'({ open, url, features }) {
    await using broker = await open()
    const { topic, group } = names()
    const keys = range(50).map(n => `key-${n}`)
    await using victim = await memberProcess(url, group, topic)
    const messages = numbered(topic, 5_000, n => keys[n % 50]!)
    for (let from = 0; from < 2_500; from += 500) await broker.publish(messages.slice(from, from + 500))
    await until('the first member is busy', () => victim.printed.length > 1_000)
    const failed = new Set<number>()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe({
      ...reader,
      async handle(delivery) {
        const n = numberOf(delivery)
        await new Promise(setImmediate)
        if (n % 31 === 7 && failed.size !== failed.add(n).size) return 'retry'
        return reader.handle(delivery)
      }
    })
    const publishing = publishAll(broker, messages.slice(2_500))
    await victim.kill()
    await publishing
    const complete = () => new Set([...victim.printed, ...reader.numbers()]).size === 5_000
    await until('everything is done', complete, features.takeoverMs + 30_000)
    assert.ok(failed.size > 50)
    for (const [index, key] of keys.entries()) {
      const before = victim.printed.filter(n => n % 50 === index)
      const after = reader.numbers().filter(n => n % 50 === index)
      assertNoneOvertakes([...before, ...after], 50, key)
    }
  },

  async 'publishing rejects while the broker is away, and what it accepted arrives after an outage'({ open, outage, features }) {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    await using _ = await broker.subscribe(reader)
    const messages = numbered(topic, 300, n => `key-${n % 6}`)
    await broker.publish(messages.slice(0, 100))
    await until('they flow', () => reader.got.length > 0)
    const accepted = publishAll(broker, messages.slice(100, 200))
    {
      await using _away = await outage()
      await assert.rejects(broker.publish(messages.slice(200, 201)))
    }
    await accepted
    await publishAll(broker, messages.slice(200))
    await until('everything has arrived', () => new Set(reader.numbers()).size === 300, features.takeoverMs + 20_000)
    for (const key of range(6)) {
      assertNoneOvertakes(
        reader.numbers().filter(n => n % 6 === key),
        6,
        `key-${key}`
      )
    }
  }
}

/** Every message may come again, but none before the one that stands `step` before it. */
function assertNoneOvertakes(numbers: readonly number[], step: number, key: string): void {
  const seen = new Set<number>()
  for (const n of numbers) {
    assert.ok(n < step || seen.has(n - step), `${n} of ${key} came before ${n - step}`)
    seen.add(n)
  }
}

/** Publishes ten at a time, again and again until each ten is accepted, as a relay does. */
async function publishAll(broker: Broker, messages: readonly Message[]): Promise<void> {
  for (let from = 0; from < messages.length; from += 10) {
    const ten = messages.slice(from, from + 10)
    await until(
      'the broker accepts again',
      () =>
        broker.publish(ten).then(
          () => true,
          () => false
        ),
      60_000
    )
  }
}

function numberIn(message: Message): number {
  return Number(message.headers.n)
}

type MemberProcess = AsyncDisposable & { printed: number[]; kill(): Promise<void> }

/** Resolves once it is subscribed: not every broker keeps messages for a group that it does not know yet. */
async function memberProcess(url: string, group: string, topic: string): Promise<MemberProcess> {
  const script = fileURLToPath(new URL('./conformance-member.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [script, url, group, topic], { stdio: ['ignore', 'pipe', 'inherit'] })
  const printed: number[] = []
  const { promise: subscribed, resolve: becomeSubscribed } = Promise.withResolvers<void>()
  const lines = createInterface(child.stdout!).on('line', line => {
    if (line === 'subscribed') becomeSubscribed()
    else printed.push(Number(line))
  })
  const over = once(lines, 'close')
  async function kill(): Promise<void> {
    child.kill('SIGKILL')
    await over
  }
  await Promise.race([subscribed, over])
  return { printed, kill, [Symbol.asyncDispose]: kill }
}
