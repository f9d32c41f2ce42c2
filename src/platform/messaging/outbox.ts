/**
 * Announcing: an event and the change that it tells of are one commit. The only writer of `outbox`.
 * Call it after locking the row of the aggregate, so that for one key the order of `seq` is the order of commits.
 */
import type { Static, TObject } from 'typebox'
import type { EventContract } from '#contracts/define.ts'
import { type Envelope, subjectOf } from '#contracts/envelope.ts'
import { newId } from '../id.ts'
import { bigints, integers, texts, uuids } from '../postgres/arrays.ts'
import type { Transaction } from '../postgres/database.ts'
import { checkPublished } from './events.ts'
import { creationContexts } from './message-telemetry.ts'

export const EVENT_BYTES_MAX = 262_144

/** An event to be: its properties, its number within its subject, and the trace that it belongs to if not the transaction's. */
export type Announcement = {
  event: EventContract
  data: Record<string, unknown>
  sequence: number
  traceparent?: string | undefined
  /** `data` as it is written, where it is already: an object with one member at least. */
  json?: string
}

/** Makes an announcement, its data checked against the event's type. */
export function announcement<Data extends TObject>(
  event: EventContract<Data>,
  data: Static<Data>,
  sequence: number,
  traceparent?: string
): Announcement {
  return { event: event as unknown as EventContract, data: data as Record<string, unknown>, sequence, traceparent }
}

/** Writes one event in this transaction, without waiting for it. Throws when it does not match its contract or is over 256 KiB. */
export function announce<Data extends TObject>(
  tx: Transaction,
  event: EventContract<Data>,
  data: Static<Data>,
  sequence: number
): void {
  announceAll(tx, [announcement(event, data, sequence)])
}

/** One event a transaction is by far the most frequent, and a list would cost the database more than the row. */
const columns = 'event_id, topic, key, type, version, subject, sequence, body, traceparent'

const insertOne = `insert into outbox (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

const insertMany = `insert into outbox (${columns})
  select e.event_id, e.topic, e.key, e.type, e.version, e.subject, e.sequence, e.body, e.traceparent
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::bigint[], $8::text[], $9::text[])
    with ordinality as e (event_id, topic, key, type, version, subject, sequence, body, traceparent, place)
  order by e.place`

/** Writes many events, in their order, in one statement; each in every version in which it is published. */
export function announceAll(tx: Transaction, announcements: readonly Announcement[]): void {
  if (announcements.length === 0) return
  const timestamp = new Date().toISOString()
  const { source, announced } = tx.origin
  const checked = new Set<EventContract>()
  const copies = announcements.flatMap(inEveryVersion)
  const contexts = creationContexts(
    tx,
    copies.map(({ event, eventId, traceparent }) => ({ ...event, eventId, traceparent }))
  )
  const rows = copies.map(({ event, data, sequence, json, eventId, sameAs }, place): OutboxRow => {
    const envelope: Envelope = { eventId, eventType: event.type, eventVersion: event.version, source, sequence, timestamp }
    if (sameAs !== undefined) envelope.sameAs = sameAs
    // Of many events that were put together from one contract's own text, the first stands for the others.
    const body = json === undefined || !checked.has(event) ? { ...envelope, ...data, timestamp } : undefined
    if (body) checkPublished(event, body)
    checked.add(event)
    const text = json === undefined ? JSON.stringify(body) : `${JSON.stringify(envelope).slice(0, -1)},${json.slice(1)}`
    // No character has more than three bytes in UTF-8 for each unit of its length.
    if (text.length * 3 > EVENT_BYTES_MAX && Buffer.byteLength(text) > EVENT_BYTES_MAX)
      throw new Error(`${event.type} is over ${EVENT_BYTES_MAX} bytes`)
    const key = String(data[event.key])
    return [eventId, event.topic, key, event.type, event.version, subjectOf(event, data), sequence, text, contexts[place] ?? null]
  })
  if (rows.length === 1) tx.send(insertOne, rows[0])
  else tx.send(insertMany, listsOf(rows))
  tx.afterCommit(announced)
}

/** In the order of `columns`. */
type OutboxRow = [
  eventId: string,
  topic: string,
  key: string,
  type: string,
  version: number,
  subject: string,
  sequence: number,
  body: string,
  traceparent: string | null
]

function listsOf(rows: readonly OutboxRow[]): Buffer[] {
  return [
    uuids(rows.map(row => row[0])),
    texts(rows.map(row => row[1])),
    texts(rows.map(row => row[2])),
    texts(rows.map(row => row[3])),
    integers(rows.map(row => row[4])),
    texts(rows.map(row => row[5])),
    bigints(rows.map(row => row[6])),
    texts(rows.map(row => row[7])),
    texts(rows.map(row => row[8]))
  ]
}

/**
 * The newest version comes first: who reads several takes effect of the first and knows the others by `sameAs`. That is the id of the
 * oldest, whose readers know nothing of newer ones.
 */
function inEveryVersion(announced: Announcement): (Announcement & { eventId: string; sameAs?: string })[] {
  const newest = { ...announced, eventId: newId() }
  const { previous } = announced.event
  if (!previous?.downcast) return [newest]
  const { json: _, ...older } = announced
  const copies = inEveryVersion({ ...older, event: previous.event, data: previous.downcast(announced.data) })
  return [{ ...newest, sameAs: copies.at(-1)!.eventId }, ...copies]
}
