/** The fault matrix as a table: what goes wrong, where, and what holds all the same. Times are compressed. */
import { alarm, killBroker, takeRouteAway } from './faults/broker.ts'
import { killApi } from './faults/callers.ts'
import { exhaustConnections, longTransactions, restartDatabase } from './faults/database.ts'
import { badMessages, duplicateStorm, poison } from './faults/deliveries.ts'
import { forgedMessages, keySetAway, revokeRetiredKey, rotateKeys } from './faults/keys.ts'
import { failOver, fillDisk } from './faults/machines.ts'
import { cut, deafen, narrow, reset, silence, slow } from './faults/network.ts'
import { holdUp, kill, killAt, migrateUnder, pause, rebalances, replace, terminateSessions, zombie } from './faults/processes.ts'
import type { Scenario } from './run-scenario.ts'
import { brokerNames as everywhere } from './servers.ts'
import { usualLoad } from './writers.ts'

const postgres = ['postgres'] as const
const MINUTES_10 = 600_000

export const scenarios: readonly Scenario[] = [
  {
    id: 'F1',
    title: 'an API that dies before it commits announces nothing, and the repeated request has its one effect',
    faults: [killApi('api.before-commit', 1)],
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F2',
    title: 'an API that dies between commit and answer has had its effect, and the repeated request gets the same reply',
    faults: [killApi('api.after-commit', 1)],
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F3',
    title: 'a relay that is killed loses nothing, wherever it dies',
    faults: [
      killAt('relay', 'relay.after-move', 5),
      killAt('relay', 'outlet.before-publish', 3),
      killAt('relay', 'outlet.after-publish', 3),
      killAt('relay', 'outlet.after-cursor', 3),
      kill('relay')
    ],
    ...{ brokers: everywhere, quick: everywhere, weight: 3 }
  },
  {
    id: 'F4',
    title: 'two relays whose sessions are ended in the middle of batches keep the order',
    faults: [terminateSessions('relay', 3), terminateSessions('outlet%', 3), terminateSessions('%', 2)],
    relays: 2,
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F5',
    title: 'a relay that slept through its replacement repeats, and disturbs no order',
    faults: [pause('relay', 3000), zombie('relay', 'outlet.before-publish')],
    relays: 2,
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F6',
    title: 'a consumer that is killed makes every effect once, wherever it dies',
    faults: [
      killAt('consumer', 'consume.before-transaction', 20),
      killAt('consumer', 'consume.in-transaction', 20),
      killAt('consumer', 'consume.after-commit', 20),
      kill('consumer')
    ],
    ...{ brokers: everywhere, quick: everywhere, weight: 3 }
  },
  {
    id: 'F7',
    durable: true,
    title: 'a broker that crashes under load keeps what it has accepted, and gets the rest when it is back',
    faults: [killBroker(500), killBroker(1500)],
    ...{ brokers: everywhere, quick: everywhere, weight: 3 }
  },
  {
    id: 'F7',
    title: 'a broker that takes nothing for a while gets everything afterwards',
    faults: [alarm(3000)],
    ...{ brokers: ['rabbitmq'], quick: ['rabbitmq'], weight: 1 }
  },
  {
    id: 'F8',
    durable: true,
    title:
      'a database that stops at once, crashes, or is full of connections keeps what it has committed, and work goes on after it',
    faults: [restartDatabase('stopImmediately', 500), restartDatabase('kill', 500), exhaustConnections(2000)],
    ...{ brokers: everywhere, quick: postgres, weight: 2 }
  },
  {
    id: 'F8',
    title: 'a database whose replica takes over has everything that was ever confirmed',
    faults: [failOver()],
    ...{ lines: true, durable: true },
    ...{ brokers: everywhere, quick: [], weight: 1 }
  },
  {
    id: 'F8',
    title: 'a database whose disk is full keeps what it has committed, and work goes on when there is room',
    faults: [fillDisk(1000)],
    ...{ smallDisk: true, durable: true },
    ...{ brokers: everywhere, quick: [], weight: 1 }
  },
  {
    id: 'F9',
    title: 'lines that are cut, reset, silent, slow or half heard hold work up for as long as they are, and no longer',
    faults: [
      cut('relay to broker', 1000),
      cut('relay to database', 1000),
      cut('consumer to database', 1000),
      reset('consumer to broker', 3),
      reset('relay to database', 2),
      silence('relay to broker', 2000),
      silence('consumer to database', 2000),
      slow('relay to database', 300, 2000),
      narrow('consumer to broker', 20_000, 1500),
      deafen(['relay to database', 'consumer to broker'], 2)
    ],
    lines: true,
    ...{ brokers: ['postgres', 'rabbitmq'], quick: postgres, weight: 3 }
  },
  {
    id: 'F10',
    title: 'ten times the whole stream makes every effect once',
    faults: [duplicateStorm(9)],
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F11',
    title: 'whatever the order and however late, every effect is made once and consumers end where the writers did',
    faults: [killAt('consumer', 'consume.after-commit', 20), killAt('relay', 'outlet.after-publish', 2)],
    options: { faults: { shuffle: true, duplicate: true, delayMs: 300, seed: 7 } },
    expected: { ordered: false },
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F12',
    title: 'what cannot be handled is set aside with its reason, and other keys do not feel it',
    faults: [poison('throws', 3), badMessages()],
    warmUp: 200,
    expected: { lagGrowthMax: 5 },
    ...{ brokers: everywhere, quick: everywhere, weight: 2 }
  },
  {
    id: 'F12',
    title: 'what comes in our name and is not signed as it must be is set aside with its reason, and what is ours goes on',
    faults: [forgedMessages()],
    signed: true,
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F12',
    title: 'a message that crashes whoever handles it is set aside after a few crashes, and everything else has its effect once',
    faults: [poison('crashes', 1)],
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F13',
    title: 'transactions that stay open for long hold nothing up',
    faults: [longTransactions(3000)],
    warmUp: 200,
    expected: { lagGrowthMax: 5 },
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F14',
    title: 'fifty writers, some slow and some who take back what they did, lose nothing and invent nothing',
    faults: [holdUp('relay', 'relay.after-move', 20), killAt('relay', 'relay.after-move', 5)],
    load: { writers: 50, keys: 200, perSecond: 200, rolledBack: 0.3, slow: 0.2, slowMs: 300 },
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F15',
    title: 'consumers that come and go all the time, and die on the way, make every effect once and in order',
    faults: [rebalances([5, 2, 4, 1], 1500)],
    ...{ brokers: everywhere, quick: everywhere, weight: 3 }
  },
  {
    id: 'F16',
    title: 'a broker that has nowhere to put what is published gets it when it has',
    faults: [takeRouteAway(1500)],
    ...{ brokers: everywhere, quick: everywhere, weight: 2 }
  },
  {
    id: 'F17',
    title:
      'keys that change under load, and a key set that is away, make nobody refuse a genuine event: what cannot be verified yet waits',
    faults: [rotateKeys(), keySetAway(3000), revokeRetiredKey()],
    signed: true,
    // A key that was not in the set is asked for again after half a minute, whoever waits for it.
    expected: { convergedWithinMs: 120_000 },
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F19',
    title: 'clocks that differ by twenty minutes change neither order nor effect',
    faults: [killAt('relay', 'outlet.after-publish', 2), killAt('consumer', 'consume.in-transaction', 20), poison('throws', 1)],
    skewMs: { relay: MINUTES_10, consumer: -MINUTES_10 },
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  },
  {
    id: 'F20',
    title: 'a release is rolled out part by part under load: what the new one says more of, the old one still takes',
    faults: [
      migrateUnder('alter table states add column seen timestamptz default now()'),
      replace('writer', 'writers of the next release say more in their events', {
        load: { ...usualLoad, note: 'of the next release' }
      }),
      replace('relay', 'the relay is replaced'),
      replace('consumer', 'consumers are replaced last')
    ],
    ...{ brokers: everywhere, quick: postgres, weight: 1 }
  }
]
