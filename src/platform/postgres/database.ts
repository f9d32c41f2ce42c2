/**
 * The only door to PostgreSQL for services. A service connects as its own role, which owns only its own schema.
 * SQL is written as SQL; a statement is prepared once per connection, named by its text.
 */
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { isStale, lastStates, refuse, sqlState } from './database-errors.ts'

export type Row = Record<string, unknown>

export interface Queryable {
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<R[]>
}

/**
 * Whose transactions these are: the `source` of the events they announce; whom to tell after a commit that there are new events, which
 * resources changed, and, of every commit, that anything may have, so that caches in this process forget it. `environment` is the word for
 * this installation in what it gives out, such as API keys: `live`; `config` are its settings.
 */
export type Origin = {
  source: string
  environment?: string
  config?: Config
  announced(): void
  changed(id: string): void
  committed(): void
}

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
  /**
   * Like `query`, for statements that are put together from parts: each is planned for its values and no connection keeps it. What is kept
   * is kept for ever, and its plan serves rare values and common ones alike.
   */
  queryAfresh<R extends Row = Row>(sql: string, values: readonly unknown[]): Promise<R[]>
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

/** Milliseconds. A statement or lock that takes longer is answered 503. */
const guards = '-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=20000'
/**
 * A request is over before workers have started or code is compiled for it. And a plan is kept while its table grows: one that was made when
 * the table was empty would go on reading all of it, so that what has an index uses it from the first row on.
 */
const planning = '-c max_parallel_workers_per_gather=0 -c jit=off -c enable_seqscan=off'
/** The server notices a dead client within seconds, and frees its locks; also when it has sent it something meanwhile. */
const keepalives = '-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3 -c tcp_user_timeout=15000'

export function openDatabase(options: { url: string; schema: string; poolSize: number; log: Log; origin?: Origin }): Database {
  const {
    schema,
    log,
    origin = { source: `/${schema}-service`, announced: () => {}, changed: () => {}, committed: () => {} }
  } = options
  const settings = (purpose: string) => ({
    connectionString: options.url,
    application_name: `${schema}.${purpose}`,
    options: `-c search_path=${schema} ${guards} ${planning} ${keepalives}`,
    connectionTimeoutMillis: 5000,
    // Longer than the server takes to give up: only a server that has fallen silent takes longer.
    query_timeout: 12_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    pipeline: true,
    types
  })
  const pool = new pg.Pool({ ...settings('pool'), max: options.poolSize, idleTimeoutMillis: 30_000 })
  pool.on('error', error => log.warn({ unit: 'database', schema, error: error.message }, 'an idle connection broke'))
  // Whoever uses a connection that breaks hears of it from the statement under way. Unheard, the event would end the process.
  pool.on('connect', client => client.on('error', () => {}))

  async function withClient<Result>(use: (client: pg.ClientBase) => Promise<Result>): Promise<Result> {
    const client = await pool.connect().catch(refuse)
    return use(client).finally(() => client.release())
  }

  return {
    schema,
    query: (sql, values) => retried(() => withClient(client => run(client, sql, values))),
    queryAfresh: (sql, values) => retried(() => withClient(client => runAfresh(client, sql, values))),
    transact: (work, context) => retried(() => withClient(client => transacted(client, work, origin, context?.traceparent))),
    connect: purpose => connectSession(settings(purpose), origin),
    [Symbol.asyncDispose]: () => pool.end()
  }
}

async function connectSession(settings: pg.ClientConfig, origin: Origin): Promise<Session> {
  const client = new pg.Client(settings)
  const lost = new AbortController()
  client.on('error', () => lost.abort())
  client.on('end', () => lost.abort())
  await client.connect().catch(refuse)
  return {
    lost: lost.signal,
    query: (sql, values) => run(client, sql, values),
    transact: (work, context) => retried(() => transacted(client, work, origin, context?.traceparent)),
    listen: async (channel, onNotice) => {
      client.on('notification', notice => notice.channel === channel && onNotice())
      await execute(client, `listen ${pg.escapeIdentifier(channel)}`)
    },
    [Symbol.asyncDispose]: () => client.end().catch(() => {})
  }
}

const statementNames = new Map<string, string>()

/** What is sent in one turn of the event loop leaves in one system call. */
function gather(client: pg.ClientBase): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
  if (stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

async function run<R extends Row>(client: pg.ClientBase, text: string, values: readonly unknown[] = []): Promise<R[]> {
  let name = statementNames.get(text)
  if (!name) {
    name = `s${statementNames.size}`
    statementNames.set(text, name)
  }
  gather(client)
  const { rows } = await execute<R>(client, { name, text, values: values as unknown[] })
  return rows
}

async function runAfresh<R extends Row>(client: pg.ClientBase, text: string, values: readonly unknown[]): Promise<R[]> {
  gather(client)
  const { rows } = await execute<R>(client, { text, values: values as unknown[] })
  return rows
}

const abandon = (client: pg.ClientBase) => void (client as pg.Client).end().catch(() => {})

/** Runs a statement; a connection that cannot be used any more afterwards is ended, so that nobody gets it. */
async function execute<R extends Row>(client: pg.ClientBase, statement: string | pg.QueryConfig): Promise<pg.QueryResult<R>> {
  try {
    return await client.query<R>(statement)
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || isStale(error) || lastStates.test(error.code ?? '')) abandon(client)
    return refuse(error)
  }
}

async function transacted<Result>(
  client: pg.ClientBase,
  work: (tx: Transaction) => Promise<Result>,
  origin: Origin,
  traceparent: string | undefined
): Promise<Result> {
  const hooks: (() => void)[] = []
  let ended = false
  // The first statement to fail: those after it fail because of it.
  let failed: { error: unknown; seen: boolean } | undefined
  const watch = <R extends Row>(seen: boolean, sql: string, values?: readonly unknown[]): Promise<R[]> => {
    // The connection may be another transaction's by now.
    if (ended) throw new Error('the transaction has ended')
    const rows = run<R>(client, sql, values)
    rows.catch(error => {
      failed ??= { error, seen }
    })
    return rows
  }
  // In one round trip with the first statement of `work`.
  watch(false, 'begin')
  let result: Result
  try {
    result = await work({
      query: async (sql, values) => watch(true, sql, values),
      send: (sql, values) => void watch(false, sql, values),
      origin,
      traceparent,
      afterCommit: hook => hooks.push(hook)
    })
  } catch (error) {
    ended = true
    await execute(client, 'rollback').catch(() => abandon(client))
    throw failed && !failed.seen ? failed.error : error
  }
  ended = true
  const { command } = await execute(client, 'commit').catch(error => {
    throw failed?.error ?? error
  })
  // The server answers ROLLBACK, without an error, after a statement that failed and that no savepoint has taken back.
  if (command !== 'COMMIT' || failed?.error instanceof TypeError) throw failed?.error
  origin.committed()
  for (const hook of hooks) hook()
  return result
}

const serializationFailureOrDeadlock = /^(40001|40P01)$/

async function retried<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries === 3 || !(serializationFailureOrDeadlock.test(sqlState(error) ?? '') || isStale(error))) throw error
      await delay(Math.random() * 50 * tries)
    }
  }
}
