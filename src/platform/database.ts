/**
 * The only door to PostgreSQL for services. A service connects as its own role, which owns only its own schema.
 * SQL is written as SQL; a statement is prepared once per connection, named by its text.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Log } from './log.ts'

export type Row = Record<string, unknown>

export interface Queryable {
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<R[]>
}

/**
 * Whose transactions these are: the `source` of the events they announce; whom to tell after a commit that there are new events,
 * and which resources changed, so that caches in this process forget them.
 */
export type Origin = { source: string; announced(): void; changed(id: string): void }

export interface Transaction extends Queryable {
  readonly origin: Origin
  /** W3C trace context of what caused this, stored with the events that it announces. */
  readonly traceparent: string | undefined
  /**
   * Sends a statement whose result nobody needs, without waiting for it: it goes with the next one in one round trip. Should it fail,
   * the transaction fails as a whole, at its end. Later statements of the transaction see what it did.
   */
  send(sql: string, values?: readonly unknown[]): void
  /** Runs after COMMIT has succeeded, and not at all otherwise. */
  afterCommit(hook: () => void): void
}

export interface Transacting {
  /**
   * Commits what `work` did, or nothing of it. `work` runs again (three tries) after a deadlock or serialization failure,
   * so it must have no effects beyond its transaction.
   */
  transact<Result>(work: (tx: Transaction) => Promise<Result>, context?: { traceparent?: string | undefined }): Promise<Result>
}

/** A connection of one's own, for session locks and LISTEN. `lost` aborts when it breaks. */
export interface Session extends Queryable, Transacting, AsyncDisposable {
  readonly lost: AbortSignal
  listen(channel: string, onNotice: () => void): Promise<void>
}

export interface Database extends Queryable, Transacting, AsyncDisposable {
  readonly schema: string
  connect(purpose: string): Promise<Session>
}

const INT8 = 20
const TIMESTAMPTZ = 1184
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    // Counters and positions stay far below 2^53; CHECK constraints hold the counters.
    if (oid === INT8) return Number
    if (oid === TIMESTAMPTZ) return (value: string) => new Date(value).toISOString()
    return pg.types.getTypeParser(oid, format as 'text')
  }
}

/** Milliseconds. A statement or lock that takes longer is an outage of its own and answered 503. */
const guards = '-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=20000'
/** The server notices a dead client within seconds, and frees its locks. */
const keepalives = '-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3'

export function openDatabase(options: { url: string; schema: string; poolSize: number; log: Log; origin?: Origin }): Database {
  const { schema, log, origin = { source: `/${schema}-service`, announced: () => {}, changed: () => {} } } = options
  const settings = (purpose: string, extra: string) => ({
    connectionString: options.url,
    application_name: `${schema}.${purpose}`,
    options: `-c search_path=${schema} ${extra}`,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    pipeline: true,
    types
  })
  const pool = new pg.Pool({
    ...settings('pool', guards),
    max: options.poolSize,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 30_000
  })
  pool.on('error', error => log.warn({ unit: 'database', schema, error: error.message }, 'an idle connection broke'))

  return {
    schema,
    query: async (sql, values) => {
      const client = await pool.connect()
      try {
        return await run(client, sql, values)
      } finally {
        client.release()
      }
    },
    transact: (work, context) =>
      retried(async () => {
        const client = await pool.connect()
        let broken: Error | undefined
        try {
          return await transacted(client, work, origin, context?.traceparent)
        } catch (error) {
          if (isOutage(error)) broken = error as Error
          throw error
        } finally {
          client.release(broken)
        }
      }),
    connect: purpose => connectSession(settings(purpose, keepalives), origin),
    [Symbol.asyncDispose]: () => pool.end()
  }
}

async function connectSession(settings: pg.ClientConfig, origin: Origin): Promise<Session> {
  const client = new pg.Client(settings)
  const lost = new AbortController()
  client.on('error', () => lost.abort())
  client.on('end', () => lost.abort())
  await client.connect()
  return {
    lost: lost.signal,
    query: (sql, values) => run(client, sql, values),
    transact: (work, context) => retried(() => transacted(client, work, origin, context?.traceparent)),
    listen: async (channel, onNotice) => {
      client.on('notification', onNotice)
      await client.query(`listen ${pg.escapeIdentifier(channel)}`)
    },
    [Symbol.asyncDispose]: () => client.end().catch(() => {})
  }
}

const statementNames = new Map<string, string>()

async function run<R extends Row>(client: pg.ClientBase, text: string, values: readonly unknown[] = []): Promise<R[]> {
  let name = statementNames.get(text)
  if (!name) {
    name = `s${statementNames.size}`
    statementNames.set(text, name)
  }
  const result = await client.query<R>({ name, text, values: values as unknown[] })
  return result.rows
}

async function transacted<Result>(
  client: pg.ClientBase,
  work: (tx: Transaction) => Promise<Result>,
  origin: Origin,
  traceparent: string | undefined
): Promise<Result> {
  const hooks: (() => void)[] = []
  const sent: Promise<unknown>[] = []
  const send = (statement: Promise<unknown>) => {
    statement.catch(() => {}) // Looked at when the transaction ends.
    sent.push(statement)
  }
  // In one round trip with the first statement of `work`.
  send(client.query('begin'))
  let result: Result
  try {
    result = await work({
      query: (sql, values) => run(client, sql, values),
      send: (sql, values) => send(run(client, sql, values)),
      origin,
      traceparent,
      afterCommit: hook => hooks.push(hook)
    })
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw (await firstFailure(sent)) ?? error
  }
  const committed = client.query('commit')
  committed.catch(() => {})
  const failure = await firstFailure(sent)
  // A broken transaction answers ROLLBACK to COMMIT, without an error.
  const { command } = await committed
  if (failure !== undefined) throw failure
  if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
  for (const hook of hooks) hook()
  return result
}

/** What broke the transaction: statements after it fail only because of it. */
async function firstFailure(sent: readonly Promise<unknown>[]): Promise<unknown> {
  for (const outcome of await Promise.allSettled(sent)) if (outcome.status === 'rejected') return outcome.reason
  return undefined
}

const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'

async function retried<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      const code = sqlState(error)
      if (tries === 3 || (code !== SERIALIZATION_FAILURE && code !== DEADLOCK_DETECTED)) throw error
      await delay(Math.random() * 50 * tries)
    }
  }
}

export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** The constraint that an error names, such as a unique index: behaviours turn it into a problem. */
export function violated(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.code?.startsWith('23') ? error.constraint : undefined
}

/** SQLSTATE classes of a server that cannot serve now: connection, resources, operator intervention, timeouts, read-only. */
const outageStates = /^(08|53|57|58|55P03|25006|40)/

/** Whether an error says that the database is away or overloaded, rather than that the statement is wrong. */
export function isOutage(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return outageStates.test(state)
  if (!(error instanceof Error)) return false
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND)/.test(code) || /connection|timeout exceeded|not queryable/i.test(error.message)
  )
}
