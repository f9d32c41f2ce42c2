/** One part of the messaging core as a process that a test kills: `node messaging-process.ts PART URL …`. */
import { setTimeout as delay } from 'node:timers/promises'
import { openBroker } from '#broker/open.ts'
import { startSealer } from '#platform/audit/audit-sealer.ts'
import { armFailpoints } from '#platform/failpoint.ts'
import { consume } from '#platform/messaging/consume.ts'
import { on } from '#platform/messaging/consumer.ts'
import { openCrashWatch } from '#platform/messaging/crash-watch.ts'
import { startBrokerOutlet } from '#platform/messaging/outlet.ts'
import { startRetries } from '#platform/messaging/parking.ts'
import { startRelay } from '#platform/messaging/relay.ts'
import { replayDeadLetters } from '#platform/messaging/resolve-dead-letters.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import { exclusively, pause } from '#platform/postgres/exclusive.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openSigner } from '#platform/signing/signing.ts'
import { change, delivered, GATE, leaveEffect, openTested, quiet, service, ThingChanged } from './messaging.ts'

const [part, url, ...args] = process.argv.slice(2) as [keyof typeof parts, string, ...string[]]

const parts = {
  /** Holds the lock `turns`, and says so in a table, through the session that holds it, again and again. */
  hold() {
    const database = openTested(url)
    exclusively(
      database,
      'turns',
      async (session, signal) => {
        while (!signal.aborted) {
          await session.query('insert into turns (pid, backend) values ($1, pg_backend_pid())', [process.pid])
          await pause(2, signal)
        }
      },
      quiet
    )
  },

  relay() {
    const database = openTested(url)
    startRelay({ database, outbox: openWakeup(database, 'outbox'), eventLog: openWakeup(database, 'event log'), log: quiet })
  },

  /** Seals the audit log, with a checkpoint whenever it has grown; FAILPOINTS say where it dies. */
  seal() {
    const [failpoints] = args
    if (failpoints) armFailpoints(failpoints)
    const database = openTested(url)
    const sign = openSigner({ database, sealing: openSealing(undefined) })
    startSealer({ service: service.name, database, sign, log: quiet, pollMs: 5, checkpointMs: 0 })
  },

  /** Feeds a broker that writes what it accepts into the table `published`. */
  outlet() {
    const database = openTested(url)
    const outside = openTested(url, 1)
    startBrokerOutlet({
      database,
      source: '/tested-service',
      eventLog: openWakeup(database, 'event log'),
      log: quiet,
      broker: {
        system: 'postgresql',
        async publish(messages) {
          for (const { messageId } of messages) await outside.query('insert into published (event_id) values ($1)', [messageId])
        },
        subscribe: () => Promise.reject(new Error('nothing to subscribe to')),
        async [Symbol.asyncDispose]() {}
      }
    })
  },

  /** Changes things of its own without end. */
  async write() {
    const database = openTested(url)
    const write = async (thingId: string) => {
      for (;;) await database.transact(tx => change(tx, thingId))
    }
    await Promise.all(Array.from({ length: 4 }, (_, index) => write(`${process.pid}-${index}`)))
  },

  /** Consumes the changes FROM … TO of a thing, in order, each TIMES at once, and prints the number of each when it acknowledges it. */
  async consume() {
    const [thingId, from, to, times] = args as [string, string, string, string]
    const database = openTested(url)
    const reactions = [on(ThingChanged, leaveEffect)]
    const consumer = { name: 'tested.things', reactions, database, retryDelaysMs: [], log: quiet }
    await database.query('select pg_advisory_lock_shared($1), pg_advisory_unlock_shared($1)', [GATE])
    for (let n = Number(from); n <= Number(to); n++) {
      const verdicts = await Promise.all(Array.from({ length: Number(times) }, () => consume(consumer, delivered(thingId, n))))
      if (verdicts.some(verdict => verdict !== 'ack')) throw new Error(`${n}: ${verdicts}`)
      // Time to be killed between the commit and the acknowledgement.
      await delay(Math.random() * 3)
      process.stdout.write(`${n}\n`)
    }
    process.exit()
  },

  /**
   * Consumes what the PostgreSQL broker of ADMIN carries, as a service does. A change says by its text what it does to the process:
   * `kill` kills it, `fail, then kill` does when it is tried again.
   */
  async subscribe() {
    const [adminUrl] = args as [string]
    const database = openTested(url)
    const crashWatch = openCrashWatch(database, quiet)
    const reaction = on(ThingChanged, async (tx, event) => {
      await leaveEffect(tx, event)
      await tx.query('select pg_sleep(0.02)')
      const tried = await tx.query('select from parked_messages where key = $1', [event.thingId])
      if (event.text === 'fail, then kill' && tried.length === 0) throw new Error('not now')
      if (event.text?.endsWith('kill')) process.kill(process.pid, 'SIGKILL')
    })
    const consumer = { name: 'tested.things', reactions: [reaction], database, retryDelaysMs: [50, 50], crashWatch, log: quiet }
    await crashWatch.start()
    startRetries(consumer)
    const broker = await openBroker({ url: adminUrl })
    const handle = (delivery: Parameters<typeof consume>[1]) => consume(consumer, delivery)
    await broker.subscribe({ group: consumer.name, topics: ['product.events'], concurrency: 8, handle })
    process.stdout.write('subscribed\n')
  },

  /** Replays every open dead letter, but for those that kill, and prints what became of them. */
  async replay() {
    const database = openTested(url)
    const reaction = on(ThingChanged, async (tx, event) => {
      await leaveEffect(tx, event)
      if (event.text === 'kill') process.kill(process.pid, 'SIGKILL')
    })
    const consumer = { name: 'tested.things', reactions: [reaction], database, retryDelaysMs: [], log: quiet }
    const { replayed, failed, skipped } = await replayDeadLetters(database, [consumer], { filter: {} }, 'operator')
    process.stdout.write(`${JSON.stringify({ replayed, failed, skipped })}\n`)
    process.exit()
  },

  /** Migrates as the administrator; from a folder, if one is given. */
  async migrate() {
    const [name = service.name, folder] = args
    process.stdout.write(`${await migrate(url, { name, migrations: folder ? new URL(folder) : service.migrations }, quiet)}\n`)
    process.exit()
  }
}

await parts[part]()
