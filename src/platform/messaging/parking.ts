/**
 * Messages that wait for another try, in order per key: the head of a key is tried again after growing pauses, later messages of the
 * key wait behind it, other keys flow. A head whose tries are exhausted becomes a dead letter, and its key goes on.
 */

import { failpoint } from '../failpoint.ts'
import type { Queryable, Session, Transaction } from '../postgres/database.ts'
import { isAway } from '../postgres/database-errors.ts'
import { exclusively, pause } from '../postgres/exclusive.ts'
import { refusedAs, type Unverified, verified } from '../signing/verify-signature.ts'
import {
  type Consumer,
  CrashPoison,
  type DecodedEvent,
  decodeFor,
  describe,
  keyLock,
  type Received,
  react,
  refusalOf
} from './consumer.ts'
import { guarded } from './crash-watch.ts'
import { claimInInbox, insertDeadLetter } from './dead-letters.ts'
import { countConsumed, processing } from './message-telemetry.ts'

/** A message as JSON: the body as base64, so that its bytes survive. */
type Parked = Omit<Received, 'body'> & { body: string }

const pack = ({ body, ...message }: Received): Parked => ({ ...message, body: Buffer.from(body).toString('base64') })
const unpack = (parked: Parked): Received => ({ ...parked, body: Buffer.from(parked.body, 'base64') })

/** Parks a message at the end of its key. Its event is claimed by the caller, in the same transaction. */
export async function park(
  tx: Transaction,
  consumer: Consumer,
  message: Received,
  { attempts, delayMs, error, unverified = false }: { attempts: number; delayMs: number; error: string; unverified?: boolean }
): Promise<void> {
  await tx.query(
    `insert into parked_messages (consumer, key, message, attempts, next_at, first_error, last_error, claimed, awaits_key_since)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5), $6, $6, not $7, case when $7 then now() end)`,
    [consumer.name, message.key, JSON.stringify(pack(message)), attempts, delayMs / 1000, error, unverified]
  )
}

const POLL_MS = 500
/** A key with many messages behind its head lets others have their turn. */
const TURN_MAX = 100

/** Tries parked messages when they are due; one process at a time per consumer. */
export function startRetries(consumer: Consumer): AsyncDisposable {
  return exclusively(
    consumer.database,
    `retries ${consumer.name}`,
    async (session, signal) => {
      while (!signal.aborted) {
        const heads = await readHeads(session, consumer.name)
        let tried = false
        for (const { key, due_in_ms } of heads) {
          if (due_in_ms <= 0 && !signal.aborted) tried = (await retryKey(session, consumer, key, signal)) || tried
        }
        const later = heads.find(({ due_in_ms }) => due_in_ms > 0)
        if (!tried) await pause(Math.min(POLL_MS, later?.due_in_ms ?? POLL_MS), signal)
      }
    },
    consumer.log
  )
}

/** The first message of every key, by when it is due; one look into the index per key, however many messages wait behind it. */
function readHeads(session: Queryable, consumer: string): Promise<{ key: string; due_in_ms: number }[]> {
  return session.query(
    `with recursive heads as (
       (select key, next_at from parked_messages where consumer = $1 order by key, position limit 1)
       union all
       select following.key, following.next_at from heads cross join lateral (
         select key, next_at from parked_messages where consumer = $1 and key > heads.key order by key, position limit 1
       ) following
     )
     select key, (extract(epoch from next_at - now()) * 1000)::float as due_in_ms from heads order by next_at limit 100`,
    [consumer]
  )
}

/** Tries the messages of a key in turn until one has to wait. False when none could be tried now. */
async function retryKey(session: Session, consumer: Consumer, key: string, signal: AbortSignal): Promise<boolean> {
  for (let turn = 0; turn < TURN_MAX && !signal.aborted; turn++) {
    const outcome = await retryHead(session, consumer, key)
    if (outcome !== 'settled') return turn > 0 || outcome === 'parked'
  }
  return true
}

type Head = { position: number; message: Parked; attempts: number; first_error: string; claimed: boolean; waited_ms: number }

/** Tries the first message of a key once: 'settled' when the key may go on to its next, 'none' when nothing is to be tried now. */
async function retryHead(session: Session, consumer: Consumer, key: string): Promise<'settled' | 'parked' | 'none'> {
  let tried: Head | undefined
  const attempt = () =>
    session.transact(async tx => {
      tried = await lockHead(tx, consumer.name, key)
      if (!tried) return 'none'
      const message = unpack(tried.message)
      // Again, whether it was before or not: its contract may have changed since it was parked, and its key may have been revoked.
      const decoded = await verified(consumer, message, decodeFor(consumer, message), tried.waited_ms)
      if (decoded.kind === 'unverified') return awaitKey(tx, consumer, tried, decoded)
      if (decoded.kind === 'invalid') throw refusedAs(decoded)
      if (decoded.kind === 'event' && !tried.claimed) return claimVerified(tx, consumer, tried, decoded)
      if (decoded.kind === 'event') await processing(consumer, message, () => react(tx, consumer, decoded, message))
      await tx.query('delete from parked_messages where position = $1', [tried.position])
      await failpoint('retry.in-transaction')
      const happenedAt = decoded.kind === 'event' ? decoded.event.timestamp : undefined
      tx.afterCommit(() => report(consumer, decoded.type, tried!, 'applied', undefined, happenedAt))
      return 'settled'
    })
  try {
    return await (consumer.crashWatch?.suspicious ? attemptGuarded(session, consumer, key, attempt) : attempt())
  } catch (error) {
    if (error instanceof CrashPoison) tried = await session.transact(tx => lockHead(tx, consumer.name, key))
    if (error instanceof CrashPoison && !tried) return 'none'
    if (!tried || isAway(error)) throw error
    return failed(session, consumer, tried, error)
  }
}

/** Looks at the head before it is locked: whoever holds its key may be waiting to be alone with a message that kills. */
async function attemptGuarded<Result>(session: Session, consumer: Consumer, key: string, attempt: () => Promise<Result>) {
  const head = await readHead(session, consumer.name, key)
  const decoded = head?.due ? decodeFor(consumer, unpack(head.message)) : undefined
  return decoded?.kind === 'event' ? guarded(consumer, decoded, 'parked', attempt) : attempt()
}

/** It waits on, without any limit for as long as nobody can say which keys there are; see `verified`. */
async function awaitKey(tx: Transaction, consumer: Consumer, head: Head, { type, error, retryInMs }: Unverified) {
  await tx.query(
    `update parked_messages set next_at = now() + make_interval(secs => $2), last_error = $3, awaits_key_since = coalesce(awaits_key_since, now())
     where position = $1`,
    [head.position, retryInMs / 1000, error]
  )
  tx.afterCommit(() => report(consumer, type, head, 'parked', error))
  return 'parked' as const
}

/** Its key is published now: it takes its place in the inbox, to be tried next, unless the same event has come meanwhile. */
async function claimVerified(tx: Transaction, consumer: Consumer, head: Head, { source, eventId, type }: DecodedEvent) {
  const fresh = await claimInInbox(tx, consumer, source, eventId)
  const settle = fresh
    ? 'update parked_messages set claimed = true, awaits_key_since = null where position = $1'
    : 'delete from parked_messages where position = $1'
  await tx.query(settle, [head.position])
  if (!fresh) tx.afterCommit(() => report(consumer, type, head, 'duplicate'))
  return 'settled' as const
}

/** Undefined when the key is being handled elsewhere, or has nothing due. */
async function lockHead(tx: Transaction, consumer: string, key: string): Promise<Head | undefined> {
  const [lock] = await tx.query<{ held: boolean }>(`select pg_try_advisory_xact_lock(${keyLock}) as held`, [consumer, key])
  if (!lock!.held) return undefined
  const head = await readHead(tx, consumer, key)
  return head?.due ? head : undefined
}

async function readHead(queryable: Queryable, consumer: string, key: string): Promise<(Head & { due: boolean }) | undefined> {
  const [head] = await queryable.query<Head & { due: boolean }>(
    `select position, message, attempts, first_error, claimed, next_at <= now() as due,
       coalesce(extract(epoch from now() - awaits_key_since) * 1000, 0)::float as waited_ms
     from parked_messages where consumer = $1 and key = $2 order by position limit 1`,
    [consumer, key]
  )
  return head
}

async function failed(session: Session, consumer: Consumer, head: Head, error: unknown): Promise<'settled' | 'parked'> {
  const message = unpack(head.message)
  const decoded = decodeFor(consumer, message)
  const attempts = head.attempts + 1
  // A message that waited behind another has had no try of its own before this one.
  const firstError = head.attempts === 0 ? describe(error) : head.first_error
  const delayMs = consumer.retryDelaysMs[attempts - 1]
  const refusal = refusalOf(error)
  if (!refusal && delayMs !== undefined) {
    const jitter = 0.8 + Math.random() * 0.4
    await session.query(
      `update parked_messages set attempts = $2, next_at = now() + make_interval(secs => $3), first_error = $4, last_error = $5
       where position = $1`,
      [head.position, attempts, (delayMs * jitter) / 1000, firstError, describe(error)]
    )
    report(consumer, decoded.type, head, 'parked', error)
    return 'parked'
  }
  await session.transact(async tx => {
    const reason = decoded.kind === 'invalid' ? decoded.reason : (refusal ?? 'retries-exhausted')
    await insertDeadLetter(tx, consumer, message, decoded, { reason, attempts, firstError, lastError: describe(error) })
    await tx.query('delete from parked_messages where position = $1', [head.position])
  })
  report(consumer, decoded.type, head, 'dead-letter', error)
  return 'settled'
}

function report(consumer: Consumer, type: string | null, head: Head, outcome: string, error?: unknown, happenedAt?: unknown): void {
  const eventType = type ?? 'unknown'
  countConsumed(consumer.name, { type: eventType, outcome, happenedAt, failure: error })
  const line = { unit: 'event', consumer: consumer.name, eventType, key: head.message.key, attempt: head.attempts + 1, outcome }
  if (error) consumer.log.warn({ ...line, error: String(error) }, `${eventType} ${outcome}`)
  else consumer.log.info(line, `${eventType} ${outcome}`)
}
