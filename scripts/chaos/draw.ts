/** Which scenario comes next, on which broker, and with which of its faults in which order: all of it follows from the seed. */

import type { Scenario } from '../../test/chaos/run-scenario.ts'
import { scenarios } from '../../test/chaos/scenarios.ts'
import type { BrokerName } from '../../test/chaos/servers.ts'
import { canMount } from '../../test/support/postgres-small-disk.ts'
import { openChance } from '../chance.ts'
import { type ChaosOptions, STORM } from './arguments.ts'

export type Draw = { next(): { broker: BrokerName; scenario: Scenario } }

/** Rows whose faults need nothing else of their world than processes and servers, and may therefore meet in one. */
const MEETING = ['F3', 'F4', 'F6', 'F7', 'F8', 'F15']
const STORM_FAULTS = 6
const STORM_WEIGHT = 4

export function openDraw({ seed, only, brokers }: Pick<ChaosOptions, 'seed' | 'only' | 'brokers'>): Draw {
  const chance = openChance(seed)
  const rows = scenarios.filter(({ id, smallDisk }) => only.includes(id) && (canMount || !smallDisk))
  const onBroker = (broker: BrokerName) => [
    ...rows.filter(row => row.brokers.includes(broker)),
    ...(only.includes(STORM) ? [stormOn(broker)] : [])
  ]
  const possible = brokers.filter(broker => onBroker(broker).length > 0)
  return {
    next() {
      const broker = possible[Math.floor(chance() * possible.length)]!
      const row = weighted(onBroker(broker), chance)
      const isStorm = row.id === STORM
      const faults = shuffled(row.faults, chance)
      const most = isStorm ? STORM_FAULTS : faults.length
      // At least one; in a row of the matrix mostly all of them.
      const count = Math.min(most, 1 + Math.floor(chance() * most * (isStorm ? 1 : 1.5)))
      return { broker, scenario: { ...row, faults: faults.slice(0, count) } }
    }
  }
}

/** Faults of several rows in one world. */
function stormOn(broker: BrokerName): Scenario {
  const meeting = scenarios.filter(
    ({ id, brokers, lines, smallDisk }) => MEETING.includes(id) && brokers.includes(broker) && !lines && !smallDisk
  )
  return {
    id: STORM,
    title: 'whatever goes wrong together and one after another, nothing is lost, invented, doubled or out of order',
    faults: meeting.flatMap(({ faults }) => faults),
    ...{ brokers: [broker], quick: [], weight: STORM_WEIGHT },
    ...{ relays: 2, consumers: 2, durable: true }
  }
}

function weighted(rows: readonly Scenario[], chance: () => number): Scenario {
  let rest = chance() * rows.reduce((sum, { weight }) => sum + weight, 0)
  for (const row of rows) {
    rest -= row.weight
    if (rest < 0) return row
  }
  return rows.at(-1)!
}

function shuffled<Item>(items: readonly Item[], chance: () => number): Item[] {
  return items
    .map(item => ({ item, rank: chance() }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ item }) => item)
}
