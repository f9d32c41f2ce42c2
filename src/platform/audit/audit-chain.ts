/** The chain of the audit log: each hash is of the one before it and of everything that a record says, so that none can be changed alone. */
import { createHash } from 'node:crypto'
import type { Row } from '../postgres/database.ts'

/** A record as its row has it, its time to the microsecond. */
export type StoredRecord = Row & {
  seq: number
  at_text: string
  operation: string
  outcome: 'done' | 'refused'
  status: number | null
  code: string | null
  resource_type: string | null
  resource_id: string | null
  issuer: string
  subject: string
  client_id: string
  user_id: string | null
  act: string | null
  ip: string | null
  request_id: string | null
  trace_id: string | null
  before: string | null
  after: string | null
}

/** What to select of `audit_records r`. */
export const recordColumns = `r.seq, to_char(r.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at_text, r.operation, r.outcome,
  r.status, r.code, r.resource_type, r.resource_id, r.issuer, r.subject, r.client_id, r.user_id, r.act, r.ip, r.request_id, r.trace_id,
  r.before, r.after`

export type Link = { position: number; hash: Buffer }

/** What the first record follows. */
export function genesisOf(service: string): Link {
  return { position: 0, hash: createHash('sha256').update(`audit log of ${service}`).digest() }
}

/** The link of a record that follows another. */
export function linkAfter(previous: Link, record: StoredRecord): Link {
  const position = previous.position + 1
  const text = JSON.stringify([
    position,
    record.seq,
    record.at_text,
    record.operation,
    record.outcome,
    record.status,
    record.code,
    record.resource_type,
    record.resource_id,
    record.issuer,
    record.subject,
    record.client_id,
    record.user_id,
    record.act,
    record.ip,
    record.request_id,
    record.trace_id,
    record.before,
    record.after
  ])
  return { position, hash: createHash('sha256').update(previous.hash).update(text).digest() }
}

/** Where the chain stands: what a checkpoint states, and what somebody may keep elsewhere. */
export function nameOf({ position, hash }: Link): string {
  return `${position}:${hash.toString('hex')}`
}

/** Undefined for what is no such name. */
export function linkOf(name: string): Link | undefined {
  const [, position, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(name) ?? []
  return position && hash ? { position: Number(position), hash: Buffer.from(hash, 'hex') } : undefined
}
