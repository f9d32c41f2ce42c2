/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the record and the effect are one transaction, so a crash leaves both
 * or neither. 2xx and 409 are replayed; a refused request has changed nothing and may be sent again.
 */
import { createHash } from 'node:crypto'
import { Problem } from '#contracts/problems.ts'
import { integers, texts } from '../postgres/arrays.ts'
import type { Queryable, Transaction } from '../postgres/database.ts'
import { canonical } from '../text/json.ts'

/** A key as one principal used it, and the request that it stands for. */
export type IdempotentRequest = { principal: string; key: string; fingerprint: string }

export type StoredReply = { status: number; headers: Record<string, string>; body: string }

/** Reads the header: `"abc"` (a structured string) and `abc` are the same key. Throws `invalid-request`. */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  const key = typeof header === 'string' ? /^(?:"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))$/.exec(header.trim()) : null
  if (key) return key[1] ?? key[2]
  throw new Problem('invalid-request', 'The Idempotency-Key must be 1 to 255 visible ASCII characters', {
    errors: [
      { pointer: '', code: 'idempotency-key', detail: 'Idempotency-Key must be one value of 1 to 255 visible ASCII characters' }
    ]
  })
}

/** The same for the same request, whatever the order of keys and the white space of its body. */
export function fingerprintOf(method: string, url: string, body: unknown, ifMatch: string | undefined): string {
  return createHash('sha256')
    .update(`${method} ${url}\n${ifMatch ?? ''}\n${body === undefined ? '' : canonical(body)}`)
    .digest('base64url')
}

export type Claimed = StoredReply | Problem | 'fresh'

type RecordRow = StoredReply & { principal: string; key: string; fingerprint: string }

/**
 * Claims keys until the transaction ends, in one order of locks. For each: the reply to replay, a problem (`idempotency-in-flight`,
 * `idempotency-key-reused`), or 'fresh'. No key may stand twice in the list.
 */
export async function claimKeys(tx: Transaction, requests: readonly IdempotentRequest[]): Promise<Claimed[]> {
  const principals = texts(requests.map(request => request.principal))
  const keys = texts(requests.map(request => request.key))
  // Two statements, one round trip: the second sees what the holder of a lock has committed before the first got it.
  const [locks, records] = await Promise.all([
    tx.query<{ locked: boolean }>(
      `select pg_try_advisory_xact_lock(hashtextextended(k.principal || ' ' || k.key, 2)) as locked
       from unnest($1::text[], $2::text[]) with ordinality as k (principal, key, place) order by k.place`,
      [principals, keys]
    ),
    tx.query<RecordRow>(
      // One look into the index per key, whatever the planner thinks of the table's size.
      `select i.* from unnest($1::text[], $2::text[]) as k (principal, key)
       cross join lateral (select * from idempotency_keys e where e.principal = k.principal and e.key = k.key limit 1) i`,
      [principals, keys]
    )
  ])
  const known = new Map(records.map(record => [`${record.principal} ${record.key}`, record]))
  return requests.map(({ principal, key, fingerprint }, index) => {
    const record = known.get(`${principal} ${key}`)
    if (record && record.fingerprint !== fingerprint) return new Problem('idempotency-key-reused')
    if (record) return { status: record.status, headers: record.headers, body: record.body }
    return locks[index]?.locked ? 'fresh' : new Problem('idempotency-in-flight')
  })
}

/** Remembers replies, in the transaction of their effects. */
export function storeReplies(tx: Transaction, entries: readonly { request: IdempotentRequest; reply: StoredReply }[]): void {
  if (entries.length === 0) return
  tx.send(
    `insert into idempotency_keys (principal, key, fingerprint, status, headers, body)
     select principal, key, fingerprint, status, headers::jsonb, body
     from unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[]) as r (principal, key, fingerprint, status, headers, body)`,
    [
      texts(entries.map(({ request }) => request.principal)),
      texts(entries.map(({ request }) => request.key)),
      texts(entries.map(({ request }) => request.fingerprint)),
      integers(entries.map(({ reply }) => reply.status)),
      texts(entries.map(({ reply }) => JSON.stringify(reply.headers))),
      texts(entries.map(({ reply }) => reply.body))
    ]
  )
}

/** Forgets keys older than the retention, a bounded number at a time. Says how many. */
export async function pruneIdempotencyKeys(database: Queryable, retentionHours: number): Promise<number> {
  const rows = await database.query(
    `delete from idempotency_keys where (principal, key) in (
       select principal, key from idempotency_keys where created_at < now() - make_interval(hours => $1) limit 1000
     ) returning 1`,
    [retentionHours]
  )
  return rows.length
}
