/**
 * Feeding a range of a publisher's event log to one of our consumers again: past the inbox, in the order of the log, each event in a
 * transaction of its own under the lock of its key, so that it is safe beside the live consumer. What an event causes is for its behaviour to
 * say, which applies a state only where it is newer. What fails is parked or set aside as always.
 */

import type { Queryable, Transaction } from '../postgres/database.ts'
import { isAway } from '../postgres/database-errors.ts'
import type { Sign } from '../signing/signing.ts'
import { toMessage } from './cloudevents.ts'
import { type Consumer, type DecodedEvent, decodeFor, describe, keyLock, type Received, react, refusalOf } from './consumer.ts'
import { claimInInbox, insertDeadLetter } from './dead-letters.ts'
import type { Decoded } from './decode.ts'
import type { LoggedEvent } from './event-log.ts'
import { park } from './parking.ts'

export type Range = {
  /** First and last position. */
  from: number
  to: number
  types?: readonly string[] | undefined
  key?: string | undefined
}

/** `position`: everything up to here is done. `passed`: events in a version that is not for this consumer, since it has another. */
export type Redelivered = { position: number; applied: number; parked: number; deadLetters: number; passed: number }

/** Positions read at once. */
const PAGE = 500

/** The events of the range that the consumer reacts to, page by page; `upTo` is how far each page has looked. */
export async function* readRange(
  eventLog: Queryable,
  consumer: Consumer,
  { from, to, types, key }: Range
): AsyncGenerator<{ upTo: number; events: LoggedEvent[] }, void, undefined> {
  const known = consumer.reactions.map(({ event }) => event.type)
  const wanted = types ? known.filter(type => types.includes(type)) : known
  const topics = consumer.reactions.map(({ event }) => event.topic)
  for (let after = from - 1; after < to; after += PAGE) {
    const upTo = Math.min(to, after + PAGE)
    const events = await eventLog.query<LoggedEvent>(
      `select * from event_log where position > $1 and position <= $2 and type = any($3) and topic = any($4)
         and ($5::text is null or key = $5)
       order by position`,
      [after, upTo, wanted, topics, key ?? null]
    )
    yield { upTo, events }
  }
}

/**
 * Redelivers the events of a range, telling after each page how far it has come; stops at the end of an event when `signal` aborts. Throws when
 * the database is away: the range after what was told last can be redelivered again without harm.
 */
export async function redeliver(options: {
  consumer: Consumer
  eventLog: Queryable
  /** Of the service that published them. */
  source: string
  range: Range
  signal: AbortSignal
  /** What has to wait is verified again when it is tried: with this it is signed, as what the broker delivers. */
  sign?: Sign
  tell(so: Redelivered): void
}): Promise<Redelivered> {
  const { consumer, eventLog, source, range, signal, sign, tell } = options
  const done: Redelivered = { position: range.from - 1, applied: 0, parked: 0, deadLetters: 0, passed: 0 }
  const seen = new Set<string>()
  for await (const { upTo, events } of readRange(eventLog, consumer, range)) {
    const messages = events.map(event => toMessage(event, source))
    const signed = sign ? await sign(messages) : messages
    for (const [index, event] of events.entries()) {
      if (signal.aborted) return done
      const message = { ...signed[index]!, position: `${event.topic}@${event.position}` }
      done[await redeliverEvent(consumer, message, seen)]++
      done.position = event.position
    }
    done.position = upTo
    tell({ ...done })
    if (signal.aborted) return done
  }
  return done
}

type Outcome = 'applied' | 'parked' | 'deadLetters' | 'passed'

async function redeliverEvent(consumer: Consumer, message: Received, seen: Set<string>): Promise<Outcome> {
  const decoded = decodeFor(consumer, message)
  if (decoded.kind === 'ignored' || seen.has(decoded.eventId)) return 'passed'
  seen.add(decoded.eventId)
  if (decoded.kind === 'invalid') {
    await consumer.database.transact(tx => keepAside(tx, consumer, message, decoded, decoded.reason, decoded.error))
    return 'deadLetters'
  }
  try {
    return await consumer.database.transact(tx => applyAgain(tx, consumer, message, decoded))
  } catch (error) {
    if (isAway(error)) throw error
    return consumer.database.transact(tx => keep(tx, consumer, message, decoded, error))
  }
}

async function applyAgain(tx: Transaction, consumer: Consumer, message: Received, decoded: DecodedEvent): Promise<Outcome> {
  if (await claimAgain(tx, consumer, decoded, message.key)) {
    await park(tx, consumer, message, { attempts: 0, delayMs: 0, error: 'an earlier message of the key waits' })
    return 'parked'
  }
  await react(tx, consumer, decoded, message)
  tx.send(
    `update dead_letters set status = 'replayed', resolved_by = 'redeliver', attempts = attempts + 1, begun = 0, updated_at = now()
     where key = $1 and consumer = $2 and event_id = $3 and status = 'open'`,
    [message.key, consumer.name, decoded.eventId]
  )
  return 'applied'
}

/** Locks the key; the event counts as seen, whether or not it was. True when messages of the key wait, and it has to wait behind them. */
async function claimAgain(tx: Transaction, consumer: Consumer, { source, eventId }: DecodedEvent, key: string): Promise<boolean> {
  await tx.query(`select pg_advisory_xact_lock(${keyLock})`, [consumer.name, key])
  await claimInInbox(tx, consumer, source, eventId)
  const [row] = await tx.query<{ behind: boolean }>(
    'select exists (select from parked_messages where consumer = $1 and key = $2) as behind',
    [consumer.name, key]
  )
  return row!.behind
}

async function keep(
  tx: Transaction,
  consumer: Consumer,
  message: Received,
  decoded: DecodedEvent,
  error: unknown
): Promise<Outcome> {
  await claimAgain(tx, consumer, decoded, message.key)
  const refusal = refusalOf(error)
  const delayMs = consumer.retryDelaysMs[0]
  if (refusal || delayMs === undefined) {
    await keepAside(tx, consumer, message, decoded, refusal ?? 'retries-exhausted', describe(error))
    return 'deadLetters'
  }
  await park(tx, consumer, message, { attempts: 1, delayMs, error: describe(error) })
  return 'parked'
}

/** An event that is an open dead letter already stays that one. */
async function keepAside(
  tx: Transaction,
  consumer: Consumer,
  message: Received,
  decoded: Exclude<Decoded, { kind: 'ignored' }>,
  reason: string,
  error: string
): Promise<void> {
  const known = await tx.query(
    `update dead_letters set attempts = attempts + 1, last_error = $4, updated_at = now()
     where key = $1 and consumer = $2 and event_id = $3 and status = 'open' returning 1`,
    [message.key, consumer.name, decoded.eventId, error]
  )
  if (known.length === 0)
    await insertDeadLetter(tx, consumer, message, decoded, { reason, attempts: 1, firstError: error, lastError: error })
}
