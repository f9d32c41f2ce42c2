/**
 * The audit log's only writer: who did what, when and from where, in the transaction of the change. Records are chained afterwards
 * (audit-sealer.ts), so that no writer waits for another.
 */
import { Problem } from '#contracts/problems.ts'
import { bigints, integers, texts } from '../postgres/arrays.ts'
import type { Queryable, Transaction } from '../postgres/database.ts'
import { type Change, changeOf, type Withheld } from './audit-change.ts'

/** Who it was, as their credentials say it. */
export type Doer = { issuer: string; subject: string; clientId: string; userId?: string | undefined; act?: string | undefined }

export type AuditedResource = { type: string | null; id: string | null }

/** An attempt to change something, as far as it is known before anything was done. */
export type Attempted = {
  operation: string
  doer: Doer
  ip?: string | undefined
  requestId?: string | undefined
  traceId?: string | undefined
}

/** A request or command to record, and what may not stand in its record. */
export type Audited = Attempted & {
  /** Of what was changed, once that is known: what is created gets its id while it is made. */
  resourceOf(result: unknown): AuditedResource
  withheld: Withheld
}

/** A row to be. `ageMs`: how long ago it happened, when it is not written at once. */
export type AuditRow = Attempted & {
  outcome: 'done' | 'refused'
  status?: number | undefined
  code?: string
  resource: AuditedResource
  change: Change
  ageMs?: number
}

/** What a behaviour found under its lock, by the transaction that holds it, or by the request of several in one. */
const found = new WeakMap<object, unknown>()

/**
 * Keeps what a resource was before this transaction changes it: call it once its row is locked, with the document that the operation
 * answers with. Of requests that share a transaction each has its own, by its input. Without it a record says what was written, and not
 * what that replaced.
 */
export function keepBefore(of: Transaction | { readonly actor: unknown }, document: unknown): void {
  found.set(of, document)
}

/** An attempt and what it came to: a result, or the problem that it was refused with. */
export type Outcome = { audited: Audited; result: unknown; status?: number; of?: object }

/** Records what attempts came to in the transaction of their changes, without waiting for it. */
export function recordOutcomes(tx: Transaction, outcomes: readonly Outcome[]): void {
  if (outcomes.length > 0)
    insertRecords(
      tx,
      outcomes.map(outcome => rowOf(tx, outcome))
    )
}

function rowOf(tx: Transaction, { audited, result, status, of = tx }: Outcome): AuditRow {
  if (result instanceof Problem) {
    const { status, code } = result
    return { ...audited, outcome: 'refused', status, code, resource: audited.resourceOf(undefined), change: NOTHING }
  }
  const change = changeOf(found.get(of), result, audited.withheld)
  return { ...audited, outcome: 'done', status, resource: audited.resourceOf(result), change }
}

export const NOTHING: Change = { before: null, after: null }

const insert = `with recorded as (
    insert into audit_records (at, operation, outcome, status, code, resource_type, resource_id, issuer, subject, client_id, user_id, act,
      ip, request_id, trace_id, before, after)
    select clock_timestamp() - make_interval(secs => r.age_ms / 1000.0), r.operation, r.outcome, nullif(r.status, 0)::smallint, r.code,
      r.resource_type, r.resource_id, r.issuer, r.subject, r.client_id, r.user_id, r.act, r.ip, r.request_id, r.trace_id, r.before, r.after
    from unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
      $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[]) with ordinality
      as r (age_ms, operation, outcome, status, code, resource_type, resource_id, issuer, subject, client_id, user_id, act, ip, request_id,
        trace_id, before, after, place)
    order by r.place
    returning seq
  )
  insert into audit_unsealed (seq) select seq from recorded`

function insertRecords(tx: Transaction, rows: readonly AuditRow[]): void {
  tx.send(insert, valuesOf(rows))
}

/** The same in a transaction of its own. */
export async function storeRecords(database: Queryable, rows: readonly AuditRow[]): Promise<void> {
  await database.query(insert, valuesOf(rows))
}

function valuesOf(rows: readonly AuditRow[]): Buffer[] {
  const column = (of: (row: AuditRow) => string | null | undefined) => texts(rows.map(row => of(row) ?? null))
  return [
    bigints(rows.map(row => Math.round(row.ageMs ?? 0))),
    column(row => row.operation),
    column(row => row.outcome),
    integers(rows.map(row => row.status ?? 0)),
    column(row => row.code),
    column(row => row.resource.type),
    column(row => row.resource.id),
    column(row => row.doer.issuer),
    column(row => row.doer.subject),
    column(row => row.doer.clientId),
    column(row => row.doer.userId),
    column(row => row.doer.act),
    column(row => row.ip),
    column(row => row.requestId),
    column(row => row.traceId),
    column(row => row.change.before),
    column(row => row.change.after)
  ]
}
