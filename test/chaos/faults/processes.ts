/** What happens to processes: they are killed, at the worst moments or at any, paused, slow, replaced. */
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '#broker/conformance-kit.ts'
import { type Failpoint, failpoints } from '#platform/failpoint.ts'
import type { PartName, ProcessOptions, Supervised } from '../supervised.ts'
import type { World } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'

/** In a storm it may have to wait for the database, or for a lock of one that is gone. */
const REACHED_MS = 60_000

/** SIGKILL when a process of a part reaches a place for the nth time, whichever of them does the work; it is started again. */
export function killAt(part: PartName, failpoint: Failpoint, nth = 1): Fault {
  return {
    says: `the ${part} is killed where ${failpoints[failpoint]}`,
    async strike(world) {
      world.strikes++
      const all = world.parts.filter(each => each.part === part)
      const before = new Map(all.map(each => [each, each.deaths]))
      const dead = () => all.filter(each => each.deaths > before.get(each)!)
      for (const each of all) each.arm(failpoint, `kill@${nth}`)
      await until(`the ${part} dies at ${failpoint}`, () => dead().length > 0, REACHED_MS)
      for (const each of all) each.arm(failpoint, 'hold:0')
      for (const victim of dead()) await victim.ready()
      await world.progress(GOES_ON)
    }
  }
}

/** SIGKILL at any moment. */
export function kill(part: PartName): Fault {
  return {
    says: `the ${part} is killed at any moment`,
    async strike(world) {
      await killed(world, world.the(part))
      await world.progress(GOES_ON)
    }
  }
}

export async function killed(world: World, victim: Supervised): Promise<void> {
  world.strikes++
  const before = victim.deaths
  victim.signal('SIGKILL')
  await until(`the ${victim.part} is gone`, () => victim.deaths > before)
  await victim.ready()
}

/** SIGSTOP for a while: everything stays open, and nothing answers. */
export function pause(part: PartName, ms: number): Fault {
  return {
    says: `the ${part} is paused, with its locks and connections open, and goes on`,
    async strike(world) {
      world.strikes++
      const victim = world.the(part)
      victim.signal('SIGSTOP')
      await delay(ms)
      victim.signal('SIGCONT')
      await world.progress(GOES_ON)
    }
  }
}

/** Paused in the middle of a batch, deposed, replaced, and awake again with what it held in its hands. */
export function zombie(part: PartName, failpoint: Failpoint): Fault {
  return {
    says: `the ${part} is paused where ${failpoints[failpoint]}, loses its locks to another, and goes on as if nothing had happened`,
    async strike(world) {
      world.strikes++
      const victim = world.the(part)
      victim.arm(failpoint, 'hold:500')
      // It is held up at every passage, so it is inside when it stops.
      await world.progress(GOES_ON)
      victim.signal('SIGSTOP')
      await terminated(world, part === 'relay' ? 'outlet%' : '%')
      await world.progress(GOES_ON)
      victim.signal('SIGCONT')
      victim.arm(failpoint, 'hold:0')
      await world.progress(GOES_ON)
    }
  }
}

/** Held up at every passage of a place for a while. */
export function holdUp(part: PartName, failpoint: Failpoint, ms: number): Fault {
  return {
    says: `the ${part} is slow where ${failpoints[failpoint]}`,
    async strike(world) {
      world.the(part).arm(failpoint, `hold:${ms}`)
      await world.progress(GOES_ON)
      world.the(part).arm(failpoint, 'hold:0')
    }
  }
}

/** The server ends sessions of the service's. */
export function terminateSessions(purpose: string, times: number): Fault {
  return {
    says: `the database ends sessions (${purpose === '%' ? 'all of them' : purpose.replace('%', '')}) in the middle of what they do, again and again`,
    async strike(world) {
      for (let n = 0; n < times; n++) {
        world.strikes++
        await terminated(world, purpose)
        await world.progress(GOES_ON)
      }
    }
  }
}

async function terminated(world: World, purpose: string): Promise<void> {
  await world.ask(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and usename = 'chaos' and application_name like 'chaos.' || $1`,
    [purpose]
  )
}

/** A group grows and shrinks while its members are killed. */
export function rebalances(sizes: readonly number[], everyMs: number): Fault {
  return {
    says: `the consumers go from ${sizes.join(' to ')} while one of them is killed`,
    async strike(world) {
      for (const size of sizes) {
        world.strikes++
        const members = world.parts.filter(({ part }) => part === 'consumer')
        const leaving = members.slice(size)
        const joining = Array.from({ length: Math.max(0, size - members.length) }, () => world.start('consumer'))
        for (const member of leaving) world.parts.splice(world.parts.indexOf(member), 1)
        // Some go in order, one does not.
        members[0]!.signal('SIGKILL')
        await Promise.all([...joining, ...leaving.map(member => member.stop())])
        await delay(everyMs)
      }
      await world.the('consumer').ready()
      await world.progress(GOES_ON)
    }
  }
}

/** The next release changes a table that processes of this one are using. */
export function migrateUnder(statement: string): Fault {
  return {
    says: 'a migration of the next release runs',
    async strike(world) {
      await world.ask(statement)
      await world.progress(GOES_ON)
    }
  }
}

/** Each process of a part is replaced by one that is started otherwise, before the old one is ended. */
export function replace(part: PartName, says: string, options: Partial<ProcessOptions> = {}): Fault {
  return {
    says,
    async strike(world) {
      world.strikes++
      const old = world.the(part)
      await world.start(part, options)
      await world.progress(GOES_ON)
      world.parts.splice(world.parts.indexOf(old), 1)
      await old.stop()
      await world.progress(GOES_ON)
    }
  }
}
