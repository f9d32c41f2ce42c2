/**
 * Messages that wait for another try, in order per key: the head of a key is tried again after growing pauses, later messages of the
 * key wait behind it, other keys flow. A head whose tries are exhausted becomes a dead letter, and its key goes on.
 */
import type { Message } from '#broker/broker.ts'
import { Problem } from '#contracts/problems.ts'
import { type Consumer, decodeFor, describe, react, reasonOf } from './consumer.ts'
import { isOutage, type Queryable, type Session, type Transaction } from './database.ts'
import { insertDeadLetter } from './dead-letters.ts'
import { exclusively, pause } from './exclusive.ts'
import { consumedEvents } from './telemetry.ts'

/** A message as JSON: the body as base64, so that its bytes survive. */
type Parked = Omit<Message, 'body'> & { body: string }

const pack = ({ topic, key, messageId, routingKey, headers, body }: Message): Parked => ({
  topic,
  key,
  messageId,
  routingKey,
  headers,
  body: Buffer.from(body).toString('base64')
})
const unpack = (parked: Parked): Message => ({ ...parked, body: Buffer.from(parked.body, 'base64') })

/** Parks a message at the end of its key. Its event is claimed by the caller, in the same transaction. */
export async function park(
  tx: Transaction,
  consumer: Consumer,
  message: Message,
  { attempts, delayMs, error }: { attempts: number; delayMs: number; error: string }
): Promise<void> {
  await tx.query(
    `insert into parked_messages (consumer, key, message, attempts, next_at, first_error, last_error)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5), $6, $6)`,
    [consumer.name, message.key, JSON.stringify(pack(message)), attempts, delayMs / 1000, error]
  )
}

const POLL_MS = 500

/** Tries parked messages when they are due; one process at a time per consumer. */
export function startRetries(consumer: Consumer): AsyncDisposable {
  return exclusively(
    consumer.database,
    `retries ${consumer.name}`,
    async (session, signal) => {
      while (!signal.aborted) {
        for (const key of await dueKeys(session, consumer.name)) {
          while (!signal.aborted && (await retryHead(session, consumer, key)) === 'settled') {}
        }
        await untilDue(session, consumer.name, signal)
      }
    },
    consumer.log
  )
}

async function dueKeys(session: Queryable, consumer: string): Promise<string[]> {
  const rows = await session.query<{ key: string }>(
    `select key from (
       select distinct on (key) key, next_at from parked_messages where consumer = $1 order by key, position
     ) heads where next_at <= now() order by next_at limit 100`,
    [consumer]
  )
  return rows.map(row => row.key)
}

async function untilDue(session: Session, consumer: string, signal: AbortSignal): Promise<void> {
  const [row] = await session.query<{ ms: number | null }>(
    `select (extract(epoch from min(next_at) - now()) * 1000)::integer as ms from parked_messages where consumer = $1 and attempts > 0`,
    [consumer]
  )
  await pause(Math.max(10, Math.min(POLL_MS, row?.ms ?? POLL_MS)), signal)
}

type Head = { position: number; message: Parked; attempts: number; first_error: string }

/** Tries the first message of a key once: 'settled' when the key may go on to its next, 'waiting' otherwise. */
async function retryHead(session: Session, consumer: Consumer, key: string): Promise<'settled' | 'waiting'> {
  let tried: Head | undefined
  try {
    return await session.transact(async tx => {
      tried = await lockHead(tx, consumer.name, key)
      if (!tried) return 'waiting'
      const decoded = decodeFor(consumer, unpack(tried.message))
      if (decoded.kind === 'event') await react(tx, consumer, decoded)
      await tx.query('delete from parked_messages where position = $1', [tried.position])
      tx.afterCommit(() => report(consumer, decoded.type, tried!, 'applied'))
      return 'settled'
    })
  } catch (error) {
    if (!tried || isOutage(error)) throw error
    return failed(session, consumer, tried, error)
  }
}

async function lockHead(tx: Transaction, consumer: string, key: string): Promise<Head | undefined> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 1))`, [consumer, key])
  const [head] = await tx.query<Head & { due: boolean }>(
    `select position, message, attempts, first_error, next_at <= now() as due
     from parked_messages where consumer = $1 and key = $2 order by position limit 1`,
    [consumer, key]
  )
  return head?.due ? head : undefined
}

async function failed(session: Session, consumer: Consumer, head: Head, error: unknown): Promise<'settled' | 'waiting'> {
  const message = unpack(head.message)
  const attempts = head.attempts + 1
  // A message that waited behind another has had no try of its own before this one.
  const firstError = head.attempts === 0 ? describe(error) : head.first_error
  const delayMs = consumer.retryDelaysMs[attempts - 1]
  const refused = error instanceof Problem && !error.retry
  if (!refused && delayMs !== undefined) {
    const jitter = 0.8 + Math.random() * 0.4
    await session.query(
      `update parked_messages set attempts = $2, next_at = now() + make_interval(secs => $3), first_error = $4, last_error = $5
       where position = $1`,
      [head.position, attempts, (delayMs * jitter) / 1000, firstError, describe(error)]
    )
    report(consumer, decodeFor(consumer, message).type, head, 'parked', error)
    return 'waiting'
  }
  await session.transact(async tx => {
    const reason = refused ? reasonOf(error) : 'retries-exhausted'
    await insertDeadLetter(tx, consumer, message, decodeFor(consumer, message), {
      reason,
      attempts,
      firstError,
      lastError: describe(error)
    })
    await tx.query('delete from parked_messages where position = $1', [head.position])
  })
  report(consumer, decodeFor(consumer, message).type, head, 'dead-letter', error)
  return 'settled'
}

function report(consumer: Consumer, type: string | null, head: Head, outcome: string, error?: unknown): void {
  const eventType = type ?? 'unknown'
  consumedEvents.inc({ consumer: consumer.name, type: eventType, outcome })
  const line = { unit: 'event', consumer: consumer.name, eventType, key: head.message.key, attempt: head.attempts + 1, outcome }
  if (error) consumer.log.warn({ ...line, error: String(error) }, `${eventType} ${outcome}`)
  else consumer.log.info(line, `${eventType} ${outcome}`)
}
