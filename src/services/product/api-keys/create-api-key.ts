import type { apiKeyOperations } from '#contracts/http/product-api-keys.ts'
import type { IssuedApiKey } from '#contracts/resources/api-key.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import { newApiKey } from '#platform/identity/api-key.ts'
import { faultyNetworks } from '#platform/identity/networks.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { invalid } from '#platform/text/validation.ts'
import { addSecret, mayGiveOut, readApiKey } from './api-key.ts'

/** Gives out an API key. The key itself is in the answer and nowhere else. */
export async function createApiKey(
  tx: Transaction,
  { body, actor }: Input<typeof apiKeyOperations.createApiKey>
): Promise<IssuedApiKey> {
  const { name, scopes, networks = [], expiresAt = null } = body
  mayGiveOut(actor, scopes)
  const past = expiresAt !== null && Date.parse(expiresAt) <= Date.now()
  const faults = [
    ...faultyNetworks(networks).map(index => ({ pointer: `#/networks/${index}`, code: 'network', detail: 'is no network' })),
    ...(past ? [{ pointer: '#/expiresAt', code: 'past', detail: 'must be in the future' }] : [])
  ]
  if (faults.length > 0) throw invalid(faults)
  const apiKeyId = newId()
  const { key, digest } = newApiKey(apiKeyId, tx.origin.environment)
  tx.send(
    `insert into api_keys (api_key_id, name, scopes, networks, expires_at, created_by, version, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, 1, now(), now())`,
    [apiKeyId, name, scopes, networks, expiresAt, actor.subject]
  )
  addSecret(tx, apiKeyId, digest)
  return { ...(await readApiKey(tx, apiKeyId)), key }
}
