/**
 * The messaging core of a small service on a database of its own: things that are changed, each change announced, and a table of
 * effects that consumers leave. Its parts also run as processes of their own (messaging-process.ts), for tests that kill them.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Type } from 'typebox'
import type { Delivery } from '#broker/broker.ts'
import { defineEvent } from '#contracts/define.ts'
import { type Log, openLog } from '#platform/log.ts'
import { announce } from '#platform/messaging/outbox.ts'
import { type Database, openDatabase, type Transaction } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { createTestDatabase } from './postgres.ts'

export const ThingChanged = defineEvent({
  type: 'ThingChanged',
  version: 1,
  topic: 'product.events',
  summary: 'A thing has changed for the nth time',
  key: 'thingId',
  subject: 'thing/{thingId}',
  data: Type.Object({
    thingId: Type.String({ minLength: 1 }),
    n: Type.Integer({ minimum: 1 }),
    text: Type.Optional(Type.String())
  })
})

export const service = { name: 'tested', migrations: new URL('../../src/platform/migrations/', import.meta.url) }

export const quiet: Log = openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })

export interface Messaging extends AsyncDisposable {
  /** By which the service logs in, for parts in processes of their own. */
  url: string
  /** The superuser's. */
  adminUrl: string
  database: Database
  /** As the superuser, with the service's search path. */
  admin: Database
}

export async function openMessaging(
  options: { adminUrl?: string; poolSize?: number; announced?: () => void } = {}
): Promise<Messaging> {
  await using stack = new AsyncDisposableStack()
  const adminUrl = options.adminUrl ?? stack.use(await createTestDatabase()).url
  const url = await migrate(adminUrl, service, quiet)
  const database = stack.use(openTested(url, options.poolSize, options.announced))
  const admin = stack.use(openTested(adminUrl, 4))
  await database.query('create table things (thing_id text primary key, n bigint not null)')
  await database.query('create table changes (thing_id text, n bigint, primary key (thing_id, n))')
  await database.query('create table effects (place bigint generated always as identity, thing_id text, n bigint, by text)')
  const owned = stack.move()
  return { url, adminUrl, database, admin, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export function openTested(url: string, poolSize = 16, announced = () => {}): Database {
  const origin = { source: '/tested-service', announced, changed: () => {}, committed: () => {} }
  return openDatabase({ url, schema: service.name, poolSize, log: quiet, origin })
}

/** Changes a thing once more, and announces it, as a behaviour does: after locking its row. */
export async function change(tx: Transaction, thingId: string, text?: string): Promise<number> {
  const [row] = await tx.query<{ n: number }>(
    'insert into things values ($1, 1) on conflict (thing_id) do update set n = things.n + 1 returning n',
    [thingId]
  )
  const { n } = row!
  tx.send('insert into changes values ($1, $2)', [thingId, n])
  announce(tx, ThingChanged, { thingId, n, ...(text === undefined ? {} : { text }) }, n)
  return n
}

/** What a consumer does about it. */
export async function leaveEffect(tx: Transaction, { thingId, n }: { thingId: string; n: number }): Promise<void> {
  await tx.query('insert into effects (thing_id, n, by) values ($1, $2, $3)', [thingId, n, String(process.pid)])
}

/** The nth change of a thing as a broker delivers it; its id follows from what it says. */
export function delivered(
  thingId: string,
  n: number,
  more: { body?: string | Uint8Array; headers?: Record<string, string>; event?: Record<string, unknown> } = {}
): Delivery {
  const event = { eventId: `${thingId}-${n}`, eventType: 'ThingChanged', timestamp: '2026-11-22T10:00:00.000Z', thingId, n }
  return {
    topic: 'product.events',
    key: thingId,
    messageId: event.eventId,
    routingKey: '',
    headers: more.headers ?? {},
    body: Buffer.from(more.body ?? JSON.stringify({ ...event, ...more.event })),
    position: `test@${n}`
  }
}

/** Consumers in processes of their own begin when nobody holds this advisory lock, so that several begin together. */
export const GATE = 4711

export type Part = AsyncDisposable & {
  pid: number
  /** What it has printed so far. */
  lines: string[]
  /** As a crash would. */
  kill(): Promise<void>
  /** The exit code, once it has ended by itself. */
  ended: Promise<number | null>
}

/** Runs a part of the core in a process of its own, killed at the latest on dispose. */
export function startPart(...args: readonly string[]): Part {
  const script = join(import.meta.dirname, 'messaging-process.ts')
  const child: ChildProcess = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const lines: string[] = []
  createInterface({ input: child.stdout! }).on('line', line => lines.push(line))
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { pid: child.pid!, lines, kill, ended, [Symbol.asyncDispose]: kill }
}
