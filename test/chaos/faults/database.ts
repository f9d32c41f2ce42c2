/** What happens to the database: it stops, crashes, is full, or is held back by what others do in it. */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { once, type World } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'

export function restartDatabase(how: 'kill' | 'stopImmediately', downMs: number): Fault {
  return {
    says:
      how === 'kill' ? 'the database dies with kill -9 and comes back' : 'the database is stopped with `immediate` and comes back',
    async strike(world) {
      world.strikes++
      await world.servers.database[how]()
      await delay(downMs)
      await world.servers.database.start()
      await world.progress(GOES_ON)
    }
  }
}

/** Somebody else takes every connection that the server has, and every one that becomes free. */
export function exhaustConnections(ms: number): Fault {
  return {
    says: 'the database has no connection left, and those that were open break',
    async strike(world) {
      world.strikes++
      const taken: pg.Client[] = []
      const until = Date.now() + ms
      // Those of the service that end are taken before it can open new ones.
      await world.sql.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'chaos'`
      )
      while (Date.now() < until) {
        const client = new pg.Client({ connectionString: world.serviceUrl, connectionTimeoutMillis: 2000 })
        client.on('error', () => {})
        await client.connect().then(
          () => taken.push(client),
          () => delay(20)
        )
      }
      await Promise.all(taken.map(client => client.end().catch(() => {})))
      if (taken.length < 10) throw new Error(`only ${taken.length} connections could be taken`)
      await world.progress(GOES_ON)
    }
  }
}

/**
 * Transactions that hold a snapshot and a transaction id for long, in this database and in another on the same server, and one that was
 * prepared and forgotten. Nothing may wait for them.
 */
export function longTransactions(ms: number): Fault {
  return {
    says: 'transactions stay open for long, here and in another database of the server, and one is prepared and forgotten',
    async strike(world) {
      await using stack = new AsyncDisposableStack()
      for (const url of [world.serviceUrl, world.servers.database.url]) {
        const client = new pg.Client({ connectionString: url })
        client.on('error', () => {})
        await client.connect()
        stack.defer(() => client.end())
        await client.query('begin isolation level repeatable read')
        // Takes a transaction id, and holds it.
        await client.query('select pg_current_xact_id(), count(*) from pg_class')
      }
      await prepared(world, stack)
      const from = Date.now()
      while (Date.now() - from < ms) await world.progress(GOES_ON)
    }
  }
}

/** Writes to the outbox as well, so that it holds a number of its sequence. */
async function prepared(world: World, stack: AsyncDisposableStack): Promise<void> {
  const name = `forgotten_${world.topic.replaceAll('.', '_')}`
  const client = new pg.Client({ connectionString: world.serviceUrl, options: '-c search_path=chaos' })
  await client.connect()
  await client.query('begin')
  await client.query(
    `insert into outbox (event_id, topic, key, type, version, subject, sequence, body)
     values (gen_random_uuid(), $1, 'forgotten', 'CounterMoved', 1, 'counter/forgotten', 1, '{}')`,
    [world.topic]
  )
  await client.query(`prepare transaction '${name}'`)
  await client.end()
  stack.defer(async () => void (await once(world.adminUrl, `rollback prepared '${name}'`)))
}
