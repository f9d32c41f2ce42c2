/** Makes the ledger of a world, and waits until a world has come to rest. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Entry, Ledger } from './ledger.ts'
import { entryOf } from './witness.ts'
import type { World } from './world.ts'

type Waiting = Ledger['waiting']

const waitingNow = `select
  (select count(*) from outbox) as outbox,
  (select position from event_log_head) - coalesce((select min(position) from outlets), 0) as unpublished,
  (select count(*) from parked_messages) as parked,
  (select count(*) from committed) as committed,
  (select count(*) from committed c where c.key like 'key-%' and not exists (select from applied a where a.attempt = c.attempt)) +
    (select count(*) from committed where key like 'poison-%') - (select count(*) from dead_letters where key like 'poison-%')
    as unsettled`

/** Milliseconds until nothing waits any more and everything committed has an effect or is set aside; undefined when that never came. */
export async function cameToRest(world: World, withinMs: number): Promise<number | undefined> {
  const started = performance.now()
  while (performance.now() - started < withinMs) {
    const [now] = await world.ask<Waiting & { committed: number; unsettled: number }>(waitingNow)
    const { outbox, unpublished, parked, committed, unsettled } = now!
    const atRest = outbox === 0 && unpublished === 0 && parked === 0 && unsettled === 0
    if (atRest && world.witness.distinct >= committed) return Math.round(performance.now() - started)
    await delay(50)
  }
  return undefined
}

/** Reads the ledger of a world that is at rest, and whose processes have ended. */
export async function readLedger(world: World, convergedMs: number | undefined): Promise<Ledger> {
  const [now] = await world.ask<Waiting>(waitingNow)
  const { outbox, unpublished, parked } = now!
  const logged = await world.ask<{ position: number; body: string }>('select position, body from event_log order by position')
  const letters = await world.ask<{ body: Buffer }>('select body from dead_letters')
  const [lag] = await world.ask<{ before: number | null; since: number | null }>(
    `select percentile_cont(0.99) within group (order by ms) filter (where at < $1) as before,
       percentile_cont(0.99) within group (order by ms) filter (where at >= $1) as since
     from (select c.at, extract(epoch from a.at - c.at) * 1000::float as ms from applied a join committed c using (attempt)
       where c.key like 'key-%') lags`,
    [world.struckAt]
  )
  return {
    committed: await world.ask<Entry>('select attempt, key, n from committed'),
    rolledBack: (await world.ask<{ attempt: string }>('select attempt from rolled_back')).map(({ attempt }) => attempt),
    acknowledged: [...world.acknowledged],
    logged: logged.map(({ position, body }) => ({ position, ...entryOf(Buffer.from(body))! })),
    delivered: world.witness.delivered,
    applied: await world.ask<Entry>('select attempt, key, n from applied order by place'),
    setAside: letters.flatMap(({ body }) => entryOf(body)?.attempt ?? []),
    counters: await standing(world, 'counters'),
    states: await standing(world, 'states'),
    waiting: { outbox, unpublished, parked },
    convergedMs,
    processes: world.complaints,
    lagP99Ms: { before: lag!.before ?? 0, since: lag!.since ?? 0 }
  }
}

async function standing(world: World, table: 'counters' | 'states'): Promise<Map<string, number>> {
  const rows = await world.ask<{ key: string; n: number }>(`select key, n from ${table}`)
  return new Map(rows.map(({ key, n }) => [key, n]))
}
