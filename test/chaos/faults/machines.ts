/** What happens to the machine of the database: another takes its place, or its disk is full. For `npm run chaos` only. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { promote, startReplica } from '../../support/postgres-replica.ts'
import { lineNames, type World } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'

/** The primary waits for its replica with every commit, dies, and the replica takes over at the addresses of the primary. */
export function failOver(): Fault {
  return {
    says: 'the database dies for good, and its replica, which confirmed every commit, takes its place',
    async strike(world) {
      world.strikes++
      const primary = world.servers.database
      const replica = world.stack.use(await startReplica(primary))
      await world.progress(GOES_ON)
      // When it is started again, to be cleaned up, there is nobody who would confirm.
      await world.ask('alter system reset synchronous_standby_names')
      await primary.kill()
      world.stack.defer(() => primary.start())
      await promote(replica)
      for (const line of lineNames.filter(name => name.endsWith('database'))) world.line(line).lead(replica.url)
      await world.progress(GOES_ON, 60_000)
    }
  }
}

/** PostgreSQL stops when it cannot write its log; an operator makes room and starts it. */
export function fillDisk(ms: number): Fault {
  return {
    says: 'the disk of the write-ahead log is full, and the database stops; somebody makes room and starts it',
    async strike(world) {
      world.strikes++
      const { database } = world.servers
      assert.ok('fill' in database && 'empty' in database, 'this database has no disk of its own')
      await (database.fill as () => Promise<void>)()
      await noMoreCommits(world)
      await delay(ms)
      await (database.empty as () => Promise<void>)()
      await database.stopImmediately()
      await database.start()
      await world.progress(GOES_ON, 60_000)
    }
  }
}

/** A segment of the log that was there before the disk was full takes some more. */
async function noMoreCommits(world: World): Promise<void> {
  for (const deadline = Date.now() + 120_000; ; ) {
    const junk = world.sql.query(
      `select pg_logical_emit_message(false, 'junk', repeat(md5(random()::text), 100000)), pg_switch_wal()`
    )
    if (
      await junk.then(
        () => false,
        () => true
      )
    )
      return
    assert.ok(Date.now() < deadline, 'the disk was never full')
  }
}
