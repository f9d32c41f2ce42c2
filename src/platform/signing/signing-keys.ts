/**
 * The keys that sign a service's events: next → active → retired, or revoked. A key's state follows from its times and the clock of the
 * database (see the view signing_key_states), so processes agree about it, and a rotation that has begun ends by itself.
 */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { type Audited, keepBefore, recordOutcomes } from '../audit/audit.ts'
import type { Database, Queryable, Transaction } from '../postgres/database.ts'
import type { Sealing } from './sealing.ts'

/** How long whoever has fetched the key set may keep it, as it is told with it. */
export const KEY_SET_MAX_AGE_SECONDS = 600
/** A key is published for so long before it signs, that every copy of the key set has it by then. */
export const LEAD_SECONDS = 2 * KEY_SET_MAX_AGE_SECONDS

/** For everybody who writes: who reads the states under it decides on what stays true. */
const lock = `select pg_advisory_xact_lock(hashtextextended(current_schema() || ' signing keys', 0))`

export type SigningKey = {
  kid: string
  state: 'next' | 'active' | 'retired' | 'revoked'
  sealed: boolean
  created_at: string
  active_from: string
  retired_at: string | null
  revoked_at: string | null
}

/** Every key that is known, the newest first. */
export function readSigningKeys(database: Queryable): Promise<SigningKey[]> {
  return database.query<SigningKey>(
    `select kid, state, sealed, created_at, active_from, retired_at, revoked_at from signing_key_states
     order by active_from desc, kid desc`
  )
}

type Active = { kid: string; private_key: Buffer; sealed: boolean }

/** The key that signs now. The first is made when somebody asks for it first, by one process however many ask. */
export async function readActiveKey(database: Database, sealing: Sealing): Promise<{ kid: string; pkcs8: Buffer }> {
  const read = async (from: Queryable) =>
    (await from.query<Active>(`select kid, private_key, sealed from signing_key_states where state = 'active'`))[0]
  let active = await read(database)
  active ??= await database.transact(async tx => {
    await tx.query(lock)
    const made = await read(tx)
    if (!made) await insertKey(tx, sealing, 0)
    return made ?? (await read(tx))
  })
  const { kid, private_key: bytes, sealed } = active!
  return { kid, pkcs8: sealing.open(kid, { bytes, sealed }) }
}

/** Publishes a key that becomes active by itself once everybody can have it. One that waits already is that key: `made` is false. */
export function rotateSigningKey(
  database: Database,
  sealing: Sealing,
  leadSeconds = LEAD_SECONDS,
  audited?: Audited
): Promise<{ kid: string; activeFrom: string; made: boolean }> {
  return database.transact(async tx => {
    await tx.query(lock)
    const read = async () => (await readSigningKeys(tx)).find(({ state }) => state === 'next')
    const waiting = await read()
    if (waiting) return { kid: waiting.kid, activeFrom: waiting.active_from, made: false }
    const key = await insertKey(tx, sealing, leadSeconds)
    if (audited) recordOutcomes(tx, [{ audited, result: key }])
    return { ...key, made: true }
  })
}

/**
 * Takes a key out of the key set for good, and forgets its private part. If it was active, the next one takes over at once, made now if
 * there is none: a retired key never comes back. Undefined when there is no such key.
 */
export function revokeSigningKey(
  database: Database,
  sealing: Sealing,
  kid: string,
  audited?: Audited
): Promise<{ active: string } | undefined> {
  return database.transact(async tx => {
    await tx.query(lock)
    const before = audited && (await readSigningKeys(tx)).find(key => key.kid === kid)
    const [revoked] = await tx.query(
      `update signing_keys set revoked_at = coalesce(revoked_at, statement_timestamp()), private_key = null where kid = $1 returning kid`,
      [kid]
    )
    if (!revoked) return undefined
    if (audited) {
      keepBefore(tx, before)
      recordOutcomes(tx, [{ audited, result: (await readSigningKeys(tx)).find(key => key.kid === kid) }])
    }
    const keys = await readSigningKeys(tx)
    const active = keys.find(({ state }) => state === 'active')
    if (active) return { active: active.kid }
    const next = keys.findLast(({ state }) => state === 'next')
    if (!next) return { active: (await insertKey(tx, sealing, 0)).kid }
    await tx.query('update signing_keys set active_from = statement_timestamp() where kid = $1', [next.kid])
    return { active: next.kid }
  })
}

/** Forgets the private parts of keys that sign no more, and keys that nobody can meet any more. Returns how many. */
export async function tidySigningKeys(database: Database, retentionDays: number): Promise<number> {
  const rows = await database.query<{ count: number }>(
    `with states as (select * from signing_key_states),
       gone as (
         delete from signing_keys using states
         where signing_keys.kid = states.kid
           and coalesce(states.revoked_at, states.retired_at) < statement_timestamp() - make_interval(days => $1)
         returning signing_keys.kid
       ),
       erased as (
         update signing_keys set private_key = null from states
         where signing_keys.kid = states.kid and states.private_key is not null
           and states.retired_at < statement_timestamp() - interval '1 minute'
           and signing_keys.kid not in (select kid from gone)
         returning signing_keys.kid
       )
     select (select count(*) from gone) + (select count(*) from erased) as count`,
    [retentionDays]
  )
  return rows[0]!.count
}

export type PublicKey = { kty: 'OKP'; crv: 'Ed25519'; x: string; kid: string; use: 'sig'; alg: 'EdDSA' }

/** What may be known of the keys whose signatures are to be accepted: next, active, and retired for less than the retention. */
export async function readPublicKeys(database: Queryable, retentionDays: number): Promise<PublicKey[]> {
  const rows = await database.query<{ kid: string; x: string }>(
    `select kid, public_key as x from signing_key_states
     where state in ('next', 'active')
       or (state = 'retired' and retired_at > statement_timestamp() - make_interval(days => $1))
     order by active_from desc, kid desc`,
    [retentionDays]
  )
  return rows.map(({ kid, x }) => ({ kty: 'OKP', crv: 'Ed25519', x, kid, use: 'sig', alg: 'EdDSA' }))
}

async function insertKey(tx: Transaction, sealing: Sealing, leadSeconds: number): Promise<{ kid: string; activeFrom: string }> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const x = publicKey.export({ format: 'jwk' }).x!
  const kid = createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url')
  // The command line would take it for an option.
  if (kid.startsWith('-')) return insertKey(tx, sealing, leadSeconds)
  const { bytes, sealed } = sealing.seal(kid, privateKey.export({ format: 'der', type: 'pkcs8' }))
  const [row] = await tx.query<{ active_from: string }>(
    `insert into signing_keys (kid, public_key, private_key, sealed, active_from)
     values ($1, $2, $3, $4, statement_timestamp() + make_interval(secs => $5)) returning active_from`,
    [kid, x, bytes, sealed, leadSeconds]
  )
  return { kid, activeFrom: row!.active_from }
}
