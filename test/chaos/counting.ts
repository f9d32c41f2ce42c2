/**
 * What the fault tests run: counters that are moved, each move announced, and a consumer that follows them. Everything leaves a trace in a
 * table of its own, so that a ledger can be made of it.
 */
import { Type } from 'typebox'
import { defineEvent, type EventContract, type Topic } from '#contracts/define.ts'
import type { EventOf } from '#contracts/envelope.ts'
import { type Log, openLog } from '#platform/log.ts'
import { announce } from '#platform/messaging/outbox.ts'
import { type Database, openDatabase, type Transaction } from '#platform/postgres/database.ts'

const SERVICE = 'chaos'

export const migrating = { name: SERVICE, migrations: new URL('../../src/platform/migrations/', import.meta.url) }

export const tables = `
  create table counters (key text primary key, n bigint not null);
  create table committed (attempt text not null, key text not null, n bigint not null, at timestamptz not null default clock_timestamp());
  create table rolled_back (attempt text primary key);
  create table applied (
    place bigint generated always as identity primary key, attempt text not null, key text not null, n bigint not null,
    at timestamptz not null default clock_timestamp()
  );
  create table states (key text primary key, n bigint not null);`

/** On a topic of its own, since worlds share a broker. */
export function counterMoved(topic: string) {
  return defineEvent({
    type: 'CounterMoved',
    version: 1,
    topic: topic as Topic,
    summary: 'A counter was moved for the nth time',
    key: 'key',
    subject: 'counter/{key}',
    data: Type.Object({
      key: Type.String({ minLength: 1, maxLength: 100 }),
      n: Type.Integer({ minimum: 1 }),
      attempt: Type.String({ maxLength: 100 }),
      // What a later release says as well.
      note: Type.Optional(Type.String())
    })
  })
}
export type CounterMoved = ReturnType<typeof counterMoved>

/** Moves a counter and announces it, as a behaviour does: after locking its row. */
export async function move(tx: Transaction, event: CounterMoved, key: string, attempt: string, note?: string): Promise<number> {
  const [row] = await tx.query<{ n: number }>(
    'insert into counters values ($1, 1) on conflict (key) do update set n = counters.n + 1 returning n',
    [key]
  )
  const { n } = row!
  tx.send('insert into committed (attempt, key, n) values ($1, $2, $3)', [attempt, key, n])
  announce(tx, event, { key, n, attempt, ...(note === undefined ? {} : { note }) }, n)
  return n
}

/** What keys are poison, and how. */
export const poisons = { throws: 'poison-throws', crashes: 'poison-crashes' } as const

/** What a consumer does about a move: leaves an effect, and follows the counter if the move is newer than what it knows. */
export async function follow(tx: Transaction, { key, n, attempt }: EventOf<CounterMoved & EventContract>): Promise<void> {
  if (key === poisons.throws) throw new Error('this cannot be handled')
  if (key === poisons.crashes) process.kill(process.pid, 'SIGKILL')
  await tx.query('insert into applied (attempt, key, n) values ($1, $2, $3)', [attempt, key, n])
  await tx.query('insert into states values ($1, $2) on conflict (key) do update set n = excluded.n where states.n < excluded.n', [
    key,
    n
  ])
}

export const quiet: Log = openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })

export function openCounting(url: string, poolSize = 10, announced = () => {}): Database {
  const origin = { source: `/${SERVICE}-service`, announced, changed: () => {}, committed: () => {} }
  return openDatabase({ url, schema: SERVICE, poolSize, log: quiet, origin })
}
