/** The broker as this process reaches it, asked when somebody asks for metrics. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Broker, Subscription } from '#broker/broker.ts'
import { singleFlight } from '../single-flight.ts'
import { gaugeRead } from '../telemetry.ts'
import { carriedBy } from './message-telemetry.ts'

type Group = Pick<Subscription, 'group' | 'topics'>
type State = { system: Broker['system']; connected: boolean; waiting: ReadonlyMap<string, number> }

/** Whoever asks waits no longer than this for a broker that is away. */
export const TIMEOUT_MS = 3_000

const watched = new Set<{ broker: Broker; groups: readonly Group[] }>()

gaugeRead('messaging_broker_connected', '1 when this process reaches the broker', ['system'], async () =>
  (await states()).map(({ system, connected }) => ({ labels: { system }, value: connected ? 1 : 0 }))
)
gaugeRead('messaging_consumer_lag', 'Messages in the broker that the consumer has not acknowledged', ['consumer'], async () =>
  (await states()).flatMap(({ waiting }) => Array.from(waiting, ([consumer, value]) => ({ labels: { consumer }, value })))
)

/** Shows the broker, and what waits in it for these consumers, in /metrics until disposed. */
export function watchBroker(broker: Broker, groups: readonly Group[]): Disposable {
  carriedBy(broker)
  const watching = { broker, groups }
  watched.add(watching)
  return { [Symbol.dispose]: () => watched.delete(watching) }
}

/** Asked once for both gauges of a scrape, and once of each broker for all services of this process. */
const states = singleFlight(async (): Promise<readonly State[]> => {
  const brokers = Map.groupBy(watched, ({ broker }) => broker)
  const answers = await Promise.all(
    Array.from(brokers, ([broker, watchers]) => ask(broker, [...new Set(watchers.flatMap(({ groups }) => groups))]))
  )
  return answers.filter(answer => answer !== undefined)
})

async function ask(broker: Broker, groups: readonly Group[]): Promise<State | undefined> {
  if (!broker.waiting) return undefined
  const { system } = broker
  const waiting = await waitingIn(broker, groups).catch(() => undefined)
  return { system, connected: waiting !== undefined, waiting: waiting ?? new Map() }
}

/** What waits in a broker for these groups, by their names; undefined when it does not answer in time, or cannot be asked. */
export async function waitingIn(broker: Broker, groups: readonly Group[]): Promise<ReadonlyMap<string, number> | undefined> {
  return Promise.race([broker.waiting?.(groups), delay(TIMEOUT_MS, undefined, { ref: false })])
}
