/** Dead letters: messages that a consumer could not handle, with everything needed to understand, replay or discard them. */
import { isUtf8 } from 'node:buffer'
import { Problem } from '#contracts/problems.ts'
import type { DeadLetter } from '#contracts/resources/dead-letter.ts'
import { newId } from '../id.ts'
import { conditionsOf } from '../postgres/conditions.ts'
import type { Database, Queryable, Transaction } from '../postgres/database.ts'
import type { Consumer, Received } from './consumer.ts'
import type { Decoded } from './decode.ts'

type Known = Exclude<Decoded, { kind: 'ignored' }>

/** Claims the message and makes it a dead letter, in one transaction. False when it was claimed before. */
export function setAside(
  consumer: Consumer,
  message: Received,
  decoded: Known,
  reason: string,
  error: string,
  attempts = 1
): Promise<boolean> {
  return consumer.database.transact(async tx => {
    if (!(await claimInInbox(tx, consumer, decoded.source, inboxIdOf(decoded)))) return false
    await insertDeadLetter(tx, consumer, message, decoded, { reason, attempts, firstError: error, lastError: error })
    return true
  })
}

const inboxIdOf = (decoded: Known) => ('inboxId' in decoded ? decoded.inboxId : undefined) ?? decoded.eventId

/** False when the inbox has the event already. The caller holds its key, or need not. */
export async function claimInInbox(tx: Transaction, consumer: Consumer, source: string, eventId: string): Promise<boolean> {
  const claimed = await tx.query(
    'insert into inbox (consumer, source, event_id) values ($1, $2, $3) on conflict do nothing returning consumer',
    [consumer.name, source, eventId]
  )
  return claimed.length > 0
}

export async function insertDeadLetter(
  tx: Transaction,
  consumer: Consumer,
  message: Received,
  decoded: Decoded,
  { reason, attempts, firstError, lastError }: { reason: string; attempts: number; firstError: string; lastError: string }
): Promise<void> {
  const eventId = decoded.kind === 'ignored' ? null : decoded.eventId
  await tx.query(
    `insert into dead_letters (dead_letter_id, consumer, topic, key, event_id, event_type, reason, attempts, first_error, last_error, headers, body,
       message_id, routing_key, position)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
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
      Buffer.from(message.body),
      message.messageId,
      message.routingKey,
      message.position ?? null
    ]
  )
}

export type DeadLetterRow = {
  dead_letter_id: string
  consumer: string
  topic: string
  key: string
  message_id: string
  routing_key: string
  position: string | null
  event_id: string | null
  event_type: string | null
  reason: string
  status: DeadLetter['status']
  attempts: number
  begun: number
  first_error: string
  last_error: string
  headers: Record<string, string>
  /** The beginning of it, or all. */
  body: Buffer
  body_bytes: number
  note: string | null
  resolved_by: string | null
  received_at: string
  updated_at: string
}

export function toDeadLetter(row: DeadLetterRow): DeadLetter {
  const body = row.body.length < row.body_bytes ? wholeCharacters(row.body) : row.body
  const bodyEncoding = isUtf8(body) ? 'utf-8' : 'base64'
  return {
    deadLetterId: row.dead_letter_id,
    consumer: row.consumer,
    topic: row.topic,
    key: row.key,
    messageId: row.message_id,
    position: row.position,
    eventId: row.event_id,
    eventType: row.event_type,
    reason: row.reason,
    status: row.status,
    attempts: row.attempts,
    firstError: row.first_error,
    lastError: row.last_error,
    headers: row.headers,
    body: body.toString(bodyEncoding),
    bodyEncoding,
    bodyBytes: row.body_bytes,
    note: row.note,
    resolvedBy: row.resolved_by,
    receivedAt: row.received_at,
    updatedAt: row.updated_at
  }
}

/** Without the part of a character at the end, which would make binary of a text. */
function wholeCharacters(body: Buffer): Buffer {
  for (const cut of [0, 1, 2, 3]) if (isUtf8(body.subarray(0, body.length - cut))) return body.subarray(0, body.length - cut)
  return body
}

export type DeadLetterFilter = {
  consumer?: string
  eventType?: string
  reason?: string
  key?: string
  status?: DeadLetter['status']
  /** Inclusive. */
  receivedFrom?: string
  /** Exclusive. */
  receivedTo?: string
}

const conditions = {
  consumer: 'consumer =',
  eventType: 'event_type =',
  reason: 'reason =',
  key: 'key =',
  status: 'status =',
  receivedFrom: 'received_at >=',
  receivedTo: 'received_at <',
  after: 'dead_letter_id >'
} as const

/** What is asked for as SQL; those that are open have an index of their own. */
export function matching(filter: DeadLetterFilter & { after?: string | null }): { where: string; values: unknown[] } {
  const { status, ...others } = filter
  return status === 'open' ? conditionsOf(conditions, others, `status = 'open'`) : conditionsOf(conditions, filter)
}

/** A page of a hundred dead letters of ten megabytes each would be too much for whoever reads it. */
const BODY_BYTES_LISTED = 16_384

const columns = (
  body: string
) => `dead_letter_id, consumer, topic, key, message_id, routing_key, position, event_id, event_type, reason,
  status, attempts, begun, first_error, last_error, headers, ${body} as body, octet_length(body) as body_bytes, note, resolved_by, received_at, updated_at`

/** Every column of a dead letter, its body whole. */
export const WHOLE = columns('body')

/** Dead letters after an id, oldest first; of a body only the first 16 KiB. */
export async function readDeadLetters(
  database: Pick<Database, 'queryAfresh'>,
  filter: DeadLetterFilter,
  after: string | null,
  limit: number
): Promise<DeadLetter[]> {
  const { where, values } = matching({ ...filter, after })
  const rows = await database.queryAfresh<DeadLetterRow>(
    `select ${columns(`substring(body for ${BODY_BYTES_LISTED})`)} from dead_letters
     where ${where} order by dead_letter_id limit $${values.length + 1}`,
    [...values, limit]
  )
  return rows.map(toDeadLetter)
}

/** One dead letter, whole. Throws `not-found`. */
export async function readDeadLetter(database: Queryable, deadLetterId: string): Promise<DeadLetter> {
  const [row] = await database.query<DeadLetterRow>(`select ${WHOLE} from dead_letters where dead_letter_id = $1`, [deadLetterId])
  if (!row) throw new Problem('not-found', 'There is no such dead letter')
  return toDeadLetter(row)
}

const PRUNED_AT_ONCE = 500

/** Deletes some of those that were replayed or discarded so many days ago. */
export async function pruneDeadLetters(database: Queryable, days: number): Promise<{ done: number; more: boolean }> {
  const rows = await database.query(
    `delete from dead_letters where dead_letter_id in (
       select dead_letter_id from dead_letters where status <> 'open' and updated_at < now() - make_interval(days => $1)
       order by updated_at limit ${PRUNED_AT_ONCE}
     ) returning 1`,
    [days]
  )
  return { done: rows.length, more: rows.length === PRUNED_AT_ONCE }
}
