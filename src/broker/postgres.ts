/**
 * Messages over nothing but PostgreSQL: topics are append-only tables of messages, consumer groups are cursors (postgres.sql).
 * Needs direct connections, because ownership of a group is a session lock; a pooler between must be in session mode.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Broker, type BrokerLog, type Message, MessagesRefused } from './broker.ts'
import { refusal } from './limits.ts'
import { bytesList, textList } from './postgres-bytes.ts'
import { type Member, openPostgresSubscription, type Session } from './postgres-subscription.ts'

export type PostgresBrokerOptions = {
  url: string
  log?: BrokerLog
  /** What PostgreSQL shows as the name of our connections; a consumer group's own has the group behind it. */
  applicationName?: string
  /** Messages behind every cursor are deleted at this age. */
  keepMs?: number
}

const SCHEMA_VERSION = 2
const BATCH = { messages: 1_000, bytes: 8 * 1024 * 1024 }
const NOTIFY_PAUSE_MS = 5
const PRUNE_EVERY_MS = 60_000
const DAY_MS = 24 * 3_600_000

/** Rejects when the database is away; afterwards the driver outlives its outages. */
export async function openPostgresBroker(options: PostgresBrokerOptions): Promise<Broker> {
  const { url, log, applicationName = 'broker', keepMs = 7 * DAY_MS } = options
  const members = new Set<Member>()
  const connection = { connectionString: url, ...LIVENESS }
  const pool = new pg.Pool({
    ...connection,
    application_name: applicationName,
    max: 4,
    onConnect: client => settle(client, { synchronous_commit: 'on' })
  })
  pool.on('error', error => log?.warn({ error: describe(error) }, 'a broker connection broke while idle'))
  try {
    await install(pool)
  } catch (error) {
    await pool.end()
    throw new Error(`the PostgreSQL broker cannot be opened: ${describe(error)}`, { cause: error })
  }
  const pruning = setInterval(prune, PRUNE_EVERY_MS).unref()

  async function publish(messages: readonly Message[]): Promise<void> {
    const refused = new Map<Message, string>()
    const accepted = messages.filter(message => {
      const reason = refusal(message)
      if (reason) refused.set(message, reason)
      return !reason
    })
    for (const batch of inBatches(accepted)) await append(batch, refused)
    if (refused.size > 0) {
      const reasons = new Set(refused.values())
      throw new MessagesRefused(
        Array.from(refused.keys(), message => message.messageId),
        [...reasons].slice(0, 5).join('; ')
      )
    }
  }

  async function append(batch: readonly Message[], refused: Map<Message, string>): Promise<void> {
    try {
      await pool.query({
        name: 'broker.publish_all',
        text: 'SELECT broker.publish_all($1, $2, $3, $4, $5, $6)',
        values: columns(batch)
      })
    } catch (error) {
      if (!isRefusal(error)) throw new Error(`PostgreSQL has not accepted the messages: ${describe(error)}`, { cause: error })
      // One bad message must not keep the others back for ever, so each goes alone.
      if (batch.length > 1) for (const message of batch) await append([message], refused)
      else refused.set(batch[0]!, describe(error))
      return
    }
    tell(batch)
  }

  const untold = new Set<string>()

  /** Wakes the consumers here at once and those elsewhere by one NOTIFY for all that is published meanwhile. */
  function tell(batch: readonly Message[]): void {
    const topics = new Set(batch.map(message => message.topic))
    for (const member of members) member.wake(topics)
    if (untold.size === 0) setTimeout(notify, NOTIFY_PAUSE_MS).unref()
    for (const topic of topics) untold.add(topic)
  }

  function notify(): void {
    const topics = [...untold]
    untold.clear()
    // It need not reach the disk. A lost one is made up for by the consumers' poll.
    const text = `SELECT set_config('synchronous_commit', 'off', true), pg_notify('broker', topic) FROM unnest($1::text[]) topic`
    pool.query({ name: 'broker.notify', text, values: [topics] }).catch(() => {})
  }

  async function prune(): Promise<void> {
    const atMost = 5_000
    try {
      for (;;) {
        const { rows } = await pool.query('SELECT broker.prune($1, $2) AS deleted', [`${keepMs} milliseconds`, atMost])
        if (Number(rows[0].deleted) < atMost) return
      }
    } catch (error) {
      log?.warn({ error: describe(error) }, 'old messages could not be deleted')
    }
  }

  return {
    system: 'postgresql',
    publish,
    async subscribe(subscription) {
      const name = `${applicationName} ${subscription.group}`
      const member = await openPostgresSubscription(() => openSession({ ...connection, application_name: name }), subscription, log)
      members.add(member)
      return {
        async [Symbol.asyncDispose]() {
          members.delete(member)
          await member[Symbol.asyncDispose]()
        }
      }
    },
    async waiting(groups) {
      const { rows } = await pool.query(WAITING, [groups.map(({ group }) => group)])
      return new Map(rows.map(({ consumer_group, waiting }) => [consumer_group as string, Number(waiting)]))
    },
    async [Symbol.asyncDispose]() {
      clearInterval(pruning)
      await Promise.all(Array.from(members, member => member[Symbol.asyncDispose]()))
      await pool.end()
    }
  }
}

const WAITING = `
  SELECT c.consumer_group, sum(t.head - c.position) AS waiting FROM broker.cursors c JOIN broker.topics t USING (topic)
  WHERE c.consumer_group = ANY ($1) GROUP BY c.consumer_group`

/** A connection that died is noticed by both ends within about ten seconds. */
const LIVENESS = { keepAlive: true, keepAliveInitialDelayMillis: 5_000, connectionTimeoutMillis: 5_000, query_timeout: 15_000 }

const SETTINGS = {
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '2',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '10000',
  statement_timeout: '10000',
  idle_session_timeout: '0',
  default_transaction_isolation: 'read committed'
}

async function settle(client: pg.ClientBase, more: Record<string, string>): Promise<void> {
  const settings = Object.entries({ ...SETTINGS, ...more })
  await client.query('SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) s (name, value)', [
    settings.map(([name]) => name),
    settings.map(([, value]) => value)
  ])
}

/** Cursors lost in a crash of the server only mean redelivery, so a session does not wait for the disk. */
async function openSession(config: pg.ClientConfig): Promise<Session> {
  const client = new pg.Client(config)
  const lost = new AbortController()
  client.on('error', error => lost.abort(error))
  client.on('end', () => lost.abort(new Error('the connection was closed')))
  let turn: Promise<unknown> = Promise.resolve()

  const session: Session = {
    lost: lost.signal,
    async query(text, values = []) {
      const result = turn.then(() => client.query<Record<string, unknown>>(text, [...values]))
      turn = result.catch(() => {})
      try {
        return (await result).rows
      } catch (error) {
        // Only what PostgreSQL itself says leaves the connection usable; a timeout leaves it in doubt.
        if (!(error instanceof pg.DatabaseError)) lost.abort(error)
        throw error
      }
    },
    async listen(channel, heard) {
      client.on('notification', notification => heard(notification.payload ?? ''))
      await session.query(`LISTEN ${client.escapeIdentifier(channel)}`)
    },
    async [Symbol.asyncDispose]() {
      await Promise.race([client.end().catch(() => {}), delay(1_000, undefined, { ref: false })])
    }
  }

  try {
    await client.connect()
    await settle(client, { synchronous_commit: 'off' })
    return session
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

async function install(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query(`SELECT obj_description(to_regnamespace('broker'), 'pg_namespace') AS comment`)
  if (Number(/\d+$/.exec(rows[0].comment ?? '')?.[0] ?? 0) >= SCHEMA_VERSION) return
  const sql = await readFile(new URL('./postgres.sql', import.meta.url), 'utf8')
  await pool.query(`${sql}\nCOMMENT ON SCHEMA broker IS 'messages and consumer groups, version ${SCHEMA_VERSION}'`)
}

function* inBatches(messages: readonly Message[]): Generator<readonly Message[]> {
  let from = 0
  let bytes = 0
  for (const [index, message] of messages.entries()) {
    if (index > from && (index - from === BATCH.messages || bytes + message.body.byteLength > BATCH.bytes)) {
      yield messages.slice(from, index)
      from = index
      bytes = 0
    }
    bytes += message.body.byteLength
  }
  if (from < messages.length) yield messages.slice(from)
}

function columns(batch: readonly Message[]): Buffer[] {
  return [
    textList(batch.map(message => message.topic)),
    textList(batch.map(message => message.key)),
    textList(batch.map(message => message.messageId)),
    textList(batch.map(message => message.routingKey)),
    textList(batch.map(message => JSON.stringify(message.headers))),
    bytesList(batch.map(message => message.body))
  ]
}

/** Data that the database will never take: invalid values, violated constraints, exceeded limits. */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(22|23502|23514|54)/.test(error.code ?? '')
}

function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ')
  return error instanceof Error ? error.message : String(error)
}
