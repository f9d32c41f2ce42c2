/** Dead letters: messages that a consumer could not handle, with everything needed to understand, replay or discard them. */
import { isUtf8 } from 'node:buffer'
import type { Message } from '#broker/broker.ts'
import { Problem } from '#contracts/problems.ts'
import type { DeadLetter } from '#contracts/resources/dead-letter.ts'
import { type Consumer, decodeFor, describe, keyLock, react } from './consumer.ts'
import type { Database, Queryable, Transaction } from './database.ts'
import { isAway } from './database-errors.ts'
import type { Decoded } from './decode.ts'
import { newId } from './id.ts'

type Known = Exclude<Decoded, { kind: 'ignored' }>

/** Claims the message and makes it a dead letter, in one transaction. False when it was claimed before. */
export function setAside(consumer: Consumer, message: Message, decoded: Known, reason: string, error: string): Promise<boolean> {
  return consumer.database.transact(async tx => {
    const claimed = await tx.query(
      'insert into inbox (consumer, source, event_id) values ($1, $2, $3) on conflict do nothing returning consumer',
      [consumer.name, decoded.source, decoded.eventId]
    )
    if (claimed.length === 0) return false
    await insertDeadLetter(tx, consumer, message, decoded, { reason, attempts: 1, firstError: error, lastError: error })
    return true
  })
}

export async function insertDeadLetter(
  tx: Transaction,
  consumer: Consumer,
  message: Message,
  decoded: Decoded,
  { reason, attempts, firstError, lastError }: { reason: string; attempts: number; firstError: string; lastError: string }
): Promise<void> {
  const eventId = decoded.kind === 'ignored' ? null : decoded.eventId
  await tx.query(
    `insert into dead_letters (dead_letter_id, consumer, topic, key, event_id, event_type, reason, attempts, first_error, last_error, headers, body)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      newId(),
      consumer.name,
      message.topic,
      message.key,
      eventId,
      decoded.type,
      reason,
      attempts,
      firstError,
      lastError,
      JSON.stringify(message.headers),
      Buffer.from(message.body)
    ]
  )
}

type DeadLetterRow = {
  dead_letter_id: string
  consumer: string
  topic: string
  key: string
  event_id: string | null
  event_type: string | null
  reason: string
  status: DeadLetter['status']
  attempts: number
  first_error: string
  last_error: string
  headers: Record<string, string>
  body: Buffer
  note: string | null
  resolved_by: string | null
  received_at: string
  updated_at: string
}

export function toDeadLetter(row: DeadLetterRow): DeadLetter {
  const bodyEncoding = isUtf8(row.body) ? 'utf-8' : 'base64'
  return {
    deadLetterId: row.dead_letter_id,
    consumer: row.consumer,
    topic: row.topic,
    key: row.key,
    eventId: row.event_id,
    eventType: row.event_type,
    reason: row.reason,
    status: row.status,
    attempts: row.attempts,
    firstError: row.first_error,
    lastError: row.last_error,
    headers: row.headers,
    body: row.body.toString(bodyEncoding),
    bodyEncoding,
    note: row.note,
    resolvedBy: row.resolved_by,
    receivedAt: row.received_at,
    updatedAt: row.updated_at
  }
}

export type DeadLetterFilter = {
  consumer?: string
  eventType?: string
  reason?: string
  key?: string
  status?: DeadLetter['status']
}

/** Dead letters after an id, oldest first. */
export async function readDeadLetters(
  database: Queryable,
  filter: DeadLetterFilter,
  after: string | null,
  limit: number
): Promise<DeadLetter[]> {
  const rows = await database.query<DeadLetterRow>(
    `select * from dead_letters
     where ($1::text is null or consumer = $1) and ($2::text is null or event_type = $2) and ($3::text is null or reason = $3)
       and ($4::text is null or key = $4) and ($5::text is null or status = $5) and ($6::uuid is null or dead_letter_id > $6)
     order by dead_letter_id limit $7`,
    [
      filter.consumer ?? null,
      filter.eventType ?? null,
      filter.reason ?? null,
      filter.key ?? null,
      filter.status ?? null,
      after,
      limit
    ]
  )
  return rows.map(toDeadLetter)
}

/** One dead letter. Throws `not-found`. */
export async function readDeadLetter(database: Queryable, deadLetterId: string): Promise<DeadLetter> {
  const [row] = await database.query<DeadLetterRow>('select * from dead_letters where dead_letter_id = $1', [deadLetterId])
  if (!row) throw new Problem('not-found', 'There is no such dead letter')
  return toDeadLetter(row)
}

/**
 * Handles a dead letter once more: past the inbox, but with the behaviour's own version guards and states. When it fails again it
 * stays open with the new error. Throws `not-found`, or `illegal-transition` when it is not open.
 */
export async function replayDeadLetter(
  database: Database,
  consumers: readonly Consumer[],
  deadLetterId: string,
  actor: string
): Promise<DeadLetter> {
  let handling = false
  try {
    return await database.transact(async tx => {
      handling = false
      const row = await lockOpen(tx, deadLetterId)
      const consumer = consumers.find(consumer => consumer.name === row.consumer)
      if (!consumer) throw new Problem('illegal-transition', `The consumer ${row.consumer} is not part of this service any more`)
      await tx.query(`select pg_advisory_xact_lock(${keyLock})`, [consumer.name, row.key])
      const { topic, key, headers, body } = row
      const message: Message = { topic, key, messageId: row.event_id ?? '', routingKey: '', headers, body }
      handling = true
      const decoded = decodeFor(consumer, message)
      if (decoded.kind === 'invalid') throw new Problem('invalid-request', decoded.error)
      if (decoded.kind === 'ignored') throw new Problem('not-found', 'Nothing reacts to this event any more')
      await react(tx, consumer, decoded, message)
      return resolve(tx, deadLetterId, 'replayed', actor, null)
    })
  } catch (error) {
    if (!handling || isAway(error)) throw error
    await database.query(
      `update dead_letters set attempts = attempts + 1, last_error = $2, updated_at = now()
       where dead_letter_id = $1 and status = 'open'`,
      [deadLetterId, describe(error)]
    )
    return readDeadLetter(database, deadLetterId)
  }
}

/** Gives up a dead letter. Throws `not-found`, or `illegal-transition` when it is not open. */
export async function discardDeadLetter(
  tx: Transaction,
  deadLetterId: string,
  actor: string,
  note: string | null
): Promise<DeadLetter> {
  await lockOpen(tx, deadLetterId)
  return resolve(tx, deadLetterId, 'discarded', actor, note)
}

async function lockOpen(tx: Transaction, deadLetterId: string): Promise<DeadLetterRow> {
  const [row] = await tx.query<DeadLetterRow>('select * from dead_letters where dead_letter_id = $1 for update', [deadLetterId])
  if (!row) throw new Problem('not-found', 'There is no such dead letter')
  if (row.status !== 'open') throw new Problem('illegal-transition', `The dead letter is ${row.status} already`)
  return row
}

async function resolve(tx: Transaction, deadLetterId: string, status: DeadLetter['status'], actor: string, note: string | null) {
  const [row] = await tx.query<DeadLetterRow>(
    `update dead_letters set status = $2, resolved_by = $3, note = $4, attempts = attempts + ($2 = 'replayed')::integer, updated_at = now()
     where dead_letter_id = $1 returning *`,
    [deadLetterId, status, actor, note]
  )
  return toDeadLetter(row!)
}
