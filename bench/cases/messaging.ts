/** From the outbox to the broker, and from the broker to an effect, beside what the broker does with nothing of ours around it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Broker, Message } from '#broker/broker.ts'
import { openBroker } from '#broker/open.ts'
import { toMessage } from '#platform/messaging/cloudevents.ts'
import { readEventLog } from '#platform/messaging/event-log.ts'
import { type Counter, openCounter } from '../counter.ts'
import { type Group, type Round, ratio } from '../group.ts'
import type { LimitName } from '../limits.ts'
import type { Sample } from '../measure.ts'
import { startCpu } from '../processes.ts'
import { saying } from '../progress.ts'
import type { RawBroker } from '../rivals/raw-broker.ts'
import type { Scene } from '../scene.ts'

/** A broker that the bench starts for itself, and how it is used with nothing of ours. */
export type Carried = {
  about: string
  /** The broker's URL; it ends with the stack. */
  start(scene: Scene, stack: AsyncDisposableStack): Promise<string>
  openRaw(url: string): Promise<RawBroker>
  limits: { relay: LimitName; p50: LimitName; p99: LimitName }
}

const RAW_PUBLISH = 'publish with confirmation, nothing of ours'
const RELAY = 'outbox to confirmed: relay, log, signature, outlet, driver'
const UNSIGNED = 'the same, unsigned'
const RAW_CONSUME = 'read and acknowledge, nothing of ours'
const DRIVER = 'the driver, with a handler that does nothing'
const CONSUME = 'an inbox row and an effect in one transaction'
const PACED = 'commit to confirmed, 100 events a second'
const EVENTS_PER_SECOND = 100

export function messaging({ about, start, openRaw, limits }: Carried): Group {
  return {
    about,
    async open(scene) {
      const count = scene.size.events
      const url = await start(scene, scene.stack)
      const counter = await openCounter(
        await scene.createDatabase(`messaging_${about.replaceAll(/\W/g, '').toLowerCase()}`),
        scene.stack
      )
      const broker = scene.stack.use(await openBroker({ url }))
      const raw = scene.stack.use(await openRaw(url))
      // Somebody must want what is published, or a broker keeps nothing.
      await (await counter.subscribe(broker, 'bench.sink', () => {}))[Symbol.asyncDispose]()
      const messages = await sampleOf(counter, count)
      const perSecond = timed(count, scene)
      const relaying = async (signed: boolean): Promise<Sample> => {
        await counter.fillOutbox(count)
        return perSecond(async () => {
          const all = openCount(count)
          await using _ = counter.relay(broker, all.add, signed)
          await all.reached
        })
      }
      let round = 0
      const consuming = async (subscribe: Subscribe): Promise<Sample> => {
        const topic = `bench.round-${round++}`
        // The queue of a group begins with its first subscription.
        await (await subscribe(broker, topic, () => {}))[Symbol.asyncDispose]()
        await broker.publish(messages.map(message => ({ ...message, topic })))
        return perSecond(async () => {
          const all = openCount(count)
          await using _ = await subscribe(broker, topic, () => all.add(1))
          await all.reached
        })
      }
      return {
        cases: [
          { name: RAW_PUBLISH, shoot: () => perSecond(() => raw.publish(messages)) },
          { name: RELAY, against: RAW_PUBLISH, shoot: () => relaying(true) },
          { name: UNSIGNED, against: RAW_PUBLISH, shoot: () => relaying(false) },
          {
            name: RAW_CONSUME,
            async shoot() {
              // In another round it may come before what publishes.
              await raw.publish(messages)
              await raw.join?.()
              return perSecond(() => raw.consume(count))
            }
          },
          { name: DRIVER, against: RAW_CONSUME, shoot: () => consuming(subscribeIdly) },
          { name: CONSUME, against: RAW_CONSUME, shoot: () => consuming(counter.subscribe) },
          { name: PACED, shoot: () => paced(counter, broker, scene.size.seconds) }
        ],
        figures: {
          [limits.relay]: ratio(RELAY, RAW_PUBLISH),
          [limits.p50]: (round: Round) => round(PACED)['p50 ms']!,
          [limits.p99]: (round: Round) => round(PACED)['p99 ms']!
        }
      }
    }
  }
}

type Subscribe = Counter['subscribe']

const subscribeIdly: Subscribe = (broker, topic, handled) =>
  broker.subscribe({
    group: `${topic}.idle`,
    topics: [topic],
    concurrency: 8,
    async handle() {
      handled()
      return 'ack'
    }
  })

/** The messages of real events, as the outlet makes them. */
async function sampleOf(counter: Counter, count: number): Promise<Message[]> {
  await counter.fillOutbox(count)
  const nowhere: Broker = {
    system: 'postgresql',
    publish: async () => {},
    subscribe: () => Promise.reject(new Error('nothing to read')),
    [Symbol.asyncDispose]: async () => {}
  }
  const all = openCount(count)
  {
    await using _ = counter.relay(nowhere, all.add)
    await all.reached
  }
  return (await readEventLog(counter.database, 0, count)).map(event => toMessage(event, '/product-service'))
}

/** How many a second, and what it took of Node (all in this process) and of PostgreSQL. */
function timed(count: number, scene: Scene): (work: () => Promise<void>) => Promise<Sample> {
  return async work => {
    const cpu = startCpu(process.pid, scene.postgresPid)
    const started = performance.now()
    await work()
    const seconds = (performance.now() - started) / 1000
    return { 'per s': count / seconds, ...cpu(count) }
  }
}

/** Commits at a steady pace, each commit alone, and takes the time from its end until the broker has confirmed its event. */
async function paced(counter: Counter, broker: Broker, seconds: number): Promise<Sample> {
  using _ = saying('committing at a steady pace')
  const committed: number[] = []
  const latencies: number[] = []
  await using _relay = counter.relay(broker, events => {
    const now = performance.now()
    for (const at of committed.splice(0, events)) latencies.push(now - at)
  })
  const commits = Math.max(50, seconds * EVENTS_PER_SECOND)
  const started = performance.now()
  for (let number = 0; number < commits; number++) {
    await delay(Math.max(0, started + (number * 1000) / EVENTS_PER_SECOND - performance.now()))
    await counter.database.transact(async tx => {
      await counter.changeAndAnnounce(tx, number)
      tx.afterCommit(() => committed.push(performance.now()))
    })
  }
  while (latencies.length < commits) await delay(5)
  latencies.sort((a, b) => a - b)
  const quantile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))]!
  return { 'p50 ms': quantile(0.5), 'p99 ms': quantile(0.99) }
}

type Count = { add(more: number): void; reached: Promise<void> }

function openCount(until: number): Count {
  const { promise: reached, resolve } = Promise.withResolvers<void>()
  let count = 0
  return {
    add(more) {
      count += more
      if (count >= until) resolve()
    },
    reached
  }
}
