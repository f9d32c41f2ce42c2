/** Webhooks from the event log to the receiver: how many, how soon, and what one that hangs costs its neighbour. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Group, ratio } from '../group.ts'
import type { Sample } from '../measure.ts'
import { cpuSecondsOf } from '../processes.ts'
import { saying } from '../progress.ts'
import { sendBare } from '../rivals/bare-sender.ts'
import type { Scene } from '../scene.ts'
import { IN_FLIGHT, openWebhooked, type Webhooked } from '../webhooked.ts'

const EVENTS_PER_SECOND = 50
const GIVE_UP_MS = 120_000
const BARE = `a bare loop: ${IN_FLIGHT} connections, one HMAC, nothing recorded`
const DELIVERED = `delivered: ${IN_FLIGHT} in flight, signed twice, each attempt recorded`
const BESIDE_DEAD = 'the same beside an endpoint that hangs'
const PACED = `commit to receiver, ${EVENTS_PER_SECOND} events a second`

export const webhooks: Group = {
  about: 'webhooks to a receiver in a process of its own; what is delivered is recorded and on disk at the end',
  async open(scene) {
    const events = Math.max(500, scene.size.events / 4)
    const hooked = await openWebhooked(await scene.createDatabase('webhooks'), scene.stack)
    const receiver = await scene.startRival('webhook-receiver-server.ts', {})
    const hanging = await scene.startRival('webhook-receiver-server.ts', {})
    await hooked.begin([receiver.url])
    await hooked.fill(500)
    const bodies = (await hooked.database.query<{ body: string }>('select body from webhook_messages')).map(({ body }) => body)
    const perSecond = timed(scene)
    const bare = (seconds: number) => perSecond(() => sendBare(receiver.url, bodies, IN_FLIGHT, seconds))
    const delivering = async (...beside: string[]): Promise<Sample> => {
      await hooked.begin([receiver.url, ...beside])
      await hooked.fill(events)
      const sample = await perSecond(stack => deliverAll(hooked, events, stack))
      return { ...sample, failed: await hooked.failures(`${receiver.url}/`) }
    }
    return {
      cases: [
        { name: BARE, warmUp: () => bare(1), shoot: () => bare(scene.size.seconds) },
        { name: DELIVERED, against: BARE, warmUp: () => delivering(), shoot: () => delivering() },
        { name: BESIDE_DEAD, against: DELIVERED, shoot: () => delivering(`${hanging.url}/hangs`) },
        { name: PACED, shoot: () => paced(hooked, receiver.url, scene.size.seconds) }
      ],
      figures: {
        webhookDelivery: ratio(DELIVERED, BARE),
        webhookP50: round => round(PACED)['p50 ms']!,
        webhookNeighbour: round => 1 - round(BESIDE_DEAD)['per s']! / round(DELIVERED)['per s']!
      }
    }
  }
}

/** How many a second, and what each took of this process and of PostgreSQL. What is put on the stack ends after that. */
function timed({ postgresPid }: Scene): (work: (stack: AsyncDisposableStack) => Promise<number>) => Promise<Sample> {
  return async work => {
    await using stack = new AsyncDisposableStack()
    const [postgres, node, started] = [cpuSecondsOf([postgresPid]), process.cpuUsage(), performance.now()]
    const count = await work(stack)
    const seconds = (performance.now() - started) / 1000
    const { user, system } = process.cpuUsage(node)
    return {
      'per s': count / seconds,
      'CPU ms': (user + system) / 1000 / count,
      'PG CPU ms': ((cpuSecondsOf([postgresPid]) - postgres) * 1000) / count
    }
  }
}

/** From the start of the worker until everything has arrived and is recorded. */
async function deliverAll(hooked: Webhooked, events: number, stack: AsyncDisposableStack): Promise<number> {
  let left = events
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  using _ = saying('delivering webhooks', () => `${left} to go`)
  stack.use(
    hooked.deliver(() => {
      if (--left === 0) resolve()
    })
  )
  await Promise.race([
    arrived,
    delay(GIVE_UP_MS, undefined, { ref: false }).then(() => Promise.reject(new Error(`${left} of ${events} left`)))
  ])
  await hooked.recorded(events)
  return events
}

/** By a clock that the receiver shares. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6

/** Announces at a steady pace, each event in a transaction of its own, and takes the time from the end of that until the receiver has it. */
async function paced(hooked: Webhooked, receiver: string, seconds: number): Promise<Sample> {
  using _ = saying('announcing at a steady pace')
  await hooked.begin([`${receiver}/timed`])
  await using _fanOut = hooked.fanOut()
  await using _delivery = hooked.deliver()
  const arrivals = async () => (await (await fetch(`${receiver}/arrivals`)).json()) as { body: string; atNs: string }[]
  // Everybody is at work once one has come through.
  await hooked.announce(1, () => {})
  await hooked.recorded(1)
  await arrivals()
  const commits = Math.max(50, seconds * EVENTS_PER_SECOND)
  const committedAt = new Map<number, number>()
  const started = performance.now()
  for (let number = 1; number <= commits; number++) {
    await delay(Math.max(0, started + (number * 1000) / EVENTS_PER_SECOND - performance.now()))
    await hooked.announce(number, () => committedAt.set(number, nowMs()))
  }
  await hooked.recorded(commits + 1)
  const latencies = (await arrivals()).map(({ body, atNs }) => Number(atNs) / 1e6 - committedAt.get(JSON.parse(body).sequence)!)
  latencies.sort((a, b) => a - b)
  const quantile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))]!
  return { 'p50 ms': quantile(0.5), 'p99 ms': quantile(0.99) }
}
