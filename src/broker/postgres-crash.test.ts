import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { startTestServer } from '../../test/support/test-server.ts'
import { names, numbered, range, recording, until } from './conformance-kit.ts'
import { openPostgresBroker } from './postgres.ts'

test('what publishing accepted arrives although the server crashes again and again, and the same broker goes on', async () => {
  await using server = await startTestServer()
  await using broker = await openPostgresBroker({ url: server.url })
  const { topic, group } = names()
  const reader = recording({ topic, group })
  await using _ = await broker.subscribe(reader)
  const accepted = new Set<number>()
  let rejected = 0
  let over = false
  const publishing = numbered(topic, 4).map(async (message, publisher) => {
    for (let n = publisher; !over; n += 4) {
      const outcome = broker.publish([{ ...message, headers: { n: `${n}` } }])
      await outcome.then(() => accepted.add(n)).catch(() => rejected++)
    }
  })
  for (const crashes of range(3)) {
    const enough = accepted.size + 200
    await until(`messages are accepted after ${crashes} crashes`, () => accepted.size > enough)
    await crash(server.url)
  }
  // Also because a server told to stop at the moment it ends a recovery may not hear it.
  const atLast = accepted.size
  await until('the broker goes on after the last crash', () => accepted.size > atLast + 10)
  over = true
  await Promise.all(publishing)
  await until('everything accepted has arrived', () => {
    const arrived = new Set(reader.numbers())
    return [...accepted].every(n => arrived.has(n))
  })
  assert.ok(rejected > 0)
})

/** PostgreSQL answers the death of one of its processes by throwing away its memory and recovering from the disk. */
async function crash(url: string): Promise<void> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  const { rows } = await client.query(`SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`)
  process.kill(rows[0].pid, 'SIGKILL')
  await client.end().catch(() => {})
}
