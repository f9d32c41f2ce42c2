/** What happens to those who deliver webhooks, as a table; what receivers do is in webhook-receivers.ts. It is the row F18 of the matrix. */
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '#broker/conformance-kit.ts'
import { type Failpoint, failpoints } from '#platform/failpoint.ts'
import { BY_NAME, misdeeds, NAMED } from './webhook-receivers.ts'
import type { WebhookWorld } from './webhook-world.ts'

export type WebhookFault = {
  /** What happens, as people say it. */
  says: string
  /** Makes it happen under load, and resolves when work goes on. */
  strike(world: WebhookWorld, chance: () => number): Promise<void>
}

/** It may have to wait for a lock of one that is gone. */
const REACHED_MS = 60_000
const DOWN_MS = 300
/** Tries of one delivery within the time that the database may lose when it crashes: such commits do not wait for the disk. */
const LOST_BY_CRASH = 8

/** SIGKILL where a place is reached for the nth time, whichever process does the work. */
function killAt(failpoint: Failpoint, nthMax: number, name?: NameChange): WebhookFault {
  return {
    says: `who delivers is killed where ${failpoints[failpoint]}${name ? `, while the name server ${name.says}` : ''}`,
    async strike(world, chance) {
      world.unrecordedMax++
      const before = new Map(world.processes.map(each => [each, each.deaths]))
      const dead = () => world.processes.filter(each => each.deaths > before.get(each)!)
      const nth = 1 + Math.floor(chance() * nthMax)
      if (name) await world.setNames({ [NAMED]: name.address })
      for (const each of world.processes) each.arm(failpoint, `kill@${nth}`)
      await until(`somebody dies at ${failpoint}`, () => dead().length > 0, REACHED_MS)
      for (const each of world.processes) each.arm(failpoint, 'hold:0')
      await world.progress()
      if (name) await untilNoticed(world, name)
      for (const victim of dead()) await victim.ready()
    }
  }
}

/** Another answer of the name server, and how tries end then: whoever takes over has no breaker open yet. */
type NameChange = { says: string; address: string | null; ends: string }

async function untilNoticed(world: WebhookWorld, { ends }: NameChange): Promise<void> {
  const tries = `select 1 from webhook_attempts a join webhook_deliveries d using (webhook_delivery_id)
    where d.webhook_endpoint_id = $1 and coalesce(a.error, 'delivered') ~ $2 limit 1`
  const [id] = [...world.endpoints].find(([, endpoint]) => endpoint === BY_NAME)!
  await until(`a try has ended with ${ends}`, async () => (await world.ask(tries, [id, ends])).length > 0, REACHED_MS)
}

/** Each of two processes for good, one after the other: whoever stands by does its work. */
function loseEach(): WebhookFault {
  return {
    says: 'one of two processes that deliver is killed for good, then the other, which has done everything since, while a third stands by',
    async strike(world) {
      const lose = async () => {
        world.unrecordedMax++
        await world.processes.shift()!.lose()
        await world.progress()
      }
      await lose()
      await world.startProcess()
      await lose()
    }
  }
}

function terminateSessions(purpose: string): WebhookFault {
  return {
    says: `the database ends the session (${purpose})`,
    async strike(world) {
      world.unrecordedMax++
      const sessions = `from pg_stat_activity where datname = current_database() and application_name = 'product.' || $1`
      const open = async () => (await world.ask<{ count: number }>(`select count(*) ${sessions}`, [purpose]))[0]!.count
      await until(`each process has its session for ${purpose}`, async () => (await open()) === world.processes.length)
      await world.ask(`select pg_terminate_backend(pid) ${sessions}`, [purpose])
      await world.progress()
    }
  }
}

function restartDatabase(): WebhookFault {
  return {
    says: 'the database is stopped with `immediate` and comes back',
    async strike(world) {
      world.unrecordedMax += LOST_BY_CRASH
      await world.postgres.stopImmediately()
      await delay(DOWN_MS)
      await world.postgres.start()
      await world.progress()
    }
  }
}

/** Of a network for documents: it leads nowhere. */
const NOWHERE = '192.0.2.1'

const faults: readonly WebhookFault[] = [
  killAt('webhooks.after-fan-out', 3),
  killAt('webhooks.before-send', 10, { says: 'knows the name no more', address: null, ends: '^unresolved$' }),
  killAt('webhooks.after-send', 10, {
    says: 'names an address where nobody is',
    address: NOWHERE,
    ends: '^(unreachable|timeout)$'
  }),
  killAt('webhooks.before-record', 5, { says: 'names the right one again', address: '127.0.0.1', ends: '^delivered$' }),
  terminateSessions('outlet webhooks'),
  terminateSessions('webhook delivery'),
  loseEach(),
  restartDatabase()
]

export const webhookRow = {
  id: 'F18',
  title: 'whatever receivers do and whoever dies, who is well gets every event, in order',
  faults,
  says: [`a receiver ${misdeeds.join('; one ')}`, ...faults.map(({ says }) => says)]
}
