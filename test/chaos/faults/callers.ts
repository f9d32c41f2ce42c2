/** What happens to callers of an API: it dies before it commits, or before it answers, and they ask again. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '#broker/conformance-kit.ts'
import { type Failpoint, failpoints } from '#platform/failpoint.ts'
import { supervise } from '../supervised.ts'
import type { World } from '../world.ts'
import { usualLoad } from '../writers.ts'
import { type Fault, GOES_ON } from './fault.ts'

/** Callers repeat each request under its key until it is answered, while the API is killed at a place again and again. */
export function killApi(failpoint: Failpoint, kills: number): Fault {
  return {
    says: `the API is killed where ${failpoints[failpoint]}, and callers repeat their requests`,
    async strike(world) {
      const callers = await startCallers(world, 4)
      for (let n = 0; n < kills; n++) {
        const before = callers.api.deaths
        callers.api.arm(failpoint, 'kill@10')
        await until(`the API dies at ${failpoint}`, () => callers.api.deaths > before)
        await callers.api.ready()
        await world.progress(GOES_ON)
      }
      const { repeated, replayed } = await callers.end()
      assert.ok(repeated >= kills, `${repeated} requests were repeated`)
      // What was committed is answered as it was the first time.
      if (failpoint === 'api.after-commit') assert.ok(replayed >= kills, `${replayed} replies were replayed`)
    }
  }
}

async function startCallers(world: World, count: number) {
  let url = ''
  const { topic, subscription, adminUrl: databaseUrl, brokerUrl } = world
  const options = { databaseUrl, brokerUrl, topic, subscription, load: usualLoad }
  const api = supervise('api', options, world.complaints, line => {
    if (line.startsWith('url ')) url = line.slice('url '.length)
  })
  await api.ready()
  let stopped = false
  const told = { repeated: 0, replayed: 0 }

  const calling = Array.from({ length: count }, async () => {
    while (!stopped) {
      const attempt = randomUUID()
      const key = `key-api-${Math.floor(Math.random() * 5)}`
      for (const deadline = Date.now() + 180_000; ; ) {
        const reply = await ask(attempt, key)
        if (reply?.status === 200) {
          world.acknowledged.add(attempt)
          if (reply.headers.get('idempotency-replayed')) told.replayed++
          break
        }
        // 409: the first request under this key is still on its way.
        assert.ok(!reply || reply.status === 503 || reply.status === 409, `an answer of ${reply?.status}`)
        assert.ok(Date.now() < deadline, `a request was never answered; at last with ${reply?.status}`)
        told.repeated++
        await delay(50)
      }
      await delay(10)
    }
  })

  const called = Promise.all(calling)
  // Whoever ends it hears of it.
  called.catch(() => {})

  async function ask(attempt: string, key: string): Promise<Response | undefined> {
    try {
      const reply = await fetch(`${url}/v1/counters/${key}/moves`, {
        method: 'POST',
        headers: { authorization: 'Bearer anybody', 'content-type': 'application/json', 'idempotency-key': attempt },
        body: JSON.stringify({ attempt }),
        signal: AbortSignal.timeout(10_000)
      })
      await reply.arrayBuffer()
      return reply
    } catch {
      return undefined
    }
  }

  return {
    api,
    async end() {
      stopped = true
      await called
      await api.stop()
      return told
    }
  }
}
