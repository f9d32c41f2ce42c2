/** What happens to messages: they come again and again, cannot be handled, or are no messages of ours at all. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type Message, MessagesRefused } from '#broker/broker.ts'
import { until } from '#broker/conformance-kit.ts'
import { counterMoved, move, openCounting, poisons } from '../counting.ts'
import type { World } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'

/** Publishes everything that was delivered so far once more, and again. */
export function duplicateStorm(times: number): Fault {
  return {
    says: `everything that was delivered so far is published ${times} times more`,
    async strike(world) {
      const messages = [...world.witness.messages.values()]
      const claims = 'select count(*) as claims from inbox where event_id = any($1::text[])'
      const ids = messages.map(({ messageId }) => messageId)
      for (let n = 0; n < times; n++) {
        world.repeated += messages.length
        for (let from = 0; from < messages.length; from += 500) await world.witness.broker.publish(messages.slice(from, from + 500))
      }
      await until('the storm has passed', () => world.witness.delivered.length >= messages.length * (times + 1), 60_000)
      await world.progress(GOES_ON)
      // What the inbox costs does not grow with repetitions.
      const [{ claims: claimed } = { claims: 0 }] = await world.ask<{ claims: number }>(claims, [ids])
      assert.ok(claimed <= messages.length, `${claimed} claims of ${messages.length} messages`)
    }
  }
}

/** Moves a counter whose events no consumer can handle. */
export function poison(kind: keyof typeof poisons, events: number): Fault {
  const key = poisons[kind]
  return {
    says:
      kind === 'throws'
        ? 'a consumer fails at certain events, whenever it tries'
        : 'certain events crash the process that handles them',
    async strike(world) {
      await using database = openCounting(world.serviceUrl, 1)
      for (let n = 0; n < events; n++) await database.transact(tx => move(tx, counterMoved(world.topic), key, randomUUID()))
      const reason = kind === 'throws' ? 'retries-exhausted' : 'crash-poison'
      await until(`they are set aside as ${reason}`, async () => (await deadLetters(world, key, reason)) === events, 120_000)
      await world.progress(GOES_ON)
    }
  }
}

/** Known by what they say, since they have no id. */
const good = { eventType: 'CounterMoved', timestamp: '2026-11-27T10:00:00.000Z', key: 'bad', n: 1, attempt: 'bad' }

/** What others may send by mistake, each with the reason under which it is set aside. */
const bad: { what: string; body: string | Uint8Array; reason: string }[] = [
  { what: 'no JSON', body: '{"eventType": "CounterMoved"', reason: 'undecodable' },
  { what: 'no UTF-8', body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), reason: 'undecodable' },
  { what: 'nothing', body: '', reason: 'undecodable' },
  { what: 'no type', body: JSON.stringify({ ...good, eventType: undefined }), reason: 'schema-invalid' },
  { what: 'a schema that is broken', body: JSON.stringify({ ...good, n: 'one', attempt: 7 }), reason: 'schema-invalid' },
  {
    what: 'a zero byte where PostgreSQL takes none',
    body: JSON.stringify({ ...good, attempt: 'a\0b' }),
    reason: 'retries-exhausted'
  },
  { what: 'a megabyte', body: JSON.stringify({ ...good, attempt: 'x'.repeat(1024 * 1024 - 1000) }), reason: 'schema-invalid' }
]

/** Foreign messages that nobody can handle. */
export function badMessages(): Fault {
  return {
    says: `messages come with ${bad.map(({ what }) => what).join(', ')}; one of ten megabytes is refused by the publisher's driver`,
    async strike(world) {
      const message = (body: string | Uint8Array, n: number): Message => ({
        topic: world.topic,
        key: `bad-${n}`,
        messageId: randomUUID(),
        routingKey: 'counter.moved.v1',
        headers: {},
        body: Buffer.from(body as string)
      })
      const huge = message('x'.repeat(10 * 1024 * 1024), 0)
      await assert.rejects(world.witness.broker.publish([huge]), error => error instanceof MessagesRefused)
      await world.witness.broker.publish(bad.map(({ body }, n) => message(body, n)))
      for (const [n, { what, reason }] of bad.entries())
        await until(`${what} is set aside as ${reason}`, async () => (await deadLetters(world, `bad-${n}`, reason)) === 1)
      await world.progress(GOES_ON)
    }
  }
}

/** Of a key, with a reason. */
export async function deadLetters(world: World, key: string, reason: string): Promise<number> {
  const [row] = await world.ask<{ count: number }>('select count(*) as count from dead_letters where key = $1 and reason = $2', [
    key,
    reason
  ])
  return row!.count
}
