/** API keys in the database: what they may do, and the digests of their secrets. */
import { Problem } from '#contracts/problems.ts'
import type { ApiKey } from '#contracts/resources/api-key.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { newId } from '#platform/id.ts'
import type { Actor } from '#platform/identity/actor.ts'
import type { Queryable, Row, Transaction } from '#platform/postgres/database.ts'
import { type LiveSecret, liveSecrets, toLiveSecret } from '../live-secrets.ts'

export type ApiKeyRow = Row & {
  api_key_id: string
  name: string
  scopes: string[]
  networks: string[]
  expires_at: string | null
  last_used_at: string | null
  created_by: string
  version: number
  created_at: string
  updated_at: string
  secrets: LiveSecret[]
}

/** What is asked for to read keys as they are now, from `api_keys k`. */
export const apiKeyColumns = `k.*, ${liveSecrets('api_key_secrets s where s.api_key_id = k.api_key_id')}`

export function toApiKey(row: ApiKeyRow): ApiKey {
  return {
    apiKeyId: row.api_key_id,
    name: row.name,
    scopes: row.scopes,
    networks: row.networks,
    expiresAt: row.expires_at,
    secrets: row.secrets.map(toLiveSecret),
    lastUsedAt: row.last_used_at,
    createdBy: row.created_by,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }
}

/** Locks a key: its secrets change one after the other. Throws `not-found`. */
export async function lockApiKey(tx: Transaction, apiKeyId: string): Promise<ApiKey> {
  await tx.query('select from api_keys where api_key_id = $1 for update', [apiKeyId])
  const key = await readApiKey(tx, apiKeyId)
  keepBefore(tx, key)
  return key
}

/** Reads a key. Throws `not-found`. */
export async function readApiKey(database: Queryable, apiKeyId: string): Promise<ApiKey> {
  const [row] = await database.query<ApiKeyRow>(`select ${apiKeyColumns} from api_keys k where api_key_id = $1`, [apiKeyId])
  if (!row) throw new Problem('not-found', 'There is no such API key')
  return toApiKey(row)
}

/** Whoever gives a key out, or gives it a new secret, could do with it whatever it may: so they must be allowed all of that. */
export function mayGiveOut(actor: Actor, scopes: readonly string[]): void {
  const scope = scopes.find(each => !actor.scopes.has(each))
  if (scope !== undefined)
    throw new Problem('insufficient-scope', `A key with the scope ${scope} needs somebody who has it`, { scope })
}

/** Gives a key another secret, of which the digest is kept. */
export function addSecret(tx: Transaction, apiKeyId: string, digest: Buffer): void {
  tx.send('insert into api_key_secrets (secret_id, api_key_id, digest, created_at) values ($1, $2, $3, now())', [
    newId(),
    apiKeyId,
    digest
  ])
}

/** The key is another now. */
export function touch(tx: Transaction, apiKeyId: string): void {
  tx.send('update api_keys set version = version + 1, updated_at = now() where api_key_id = $1', [apiKeyId])
}
