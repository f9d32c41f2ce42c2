import type { apiKeyOperations } from '#contracts/http/product-api-keys.ts'
import { Problem } from '#contracts/problems.ts'
import { type IssuedApiKey, SECRETS_MAX } from '#contracts/resources/api-key.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newApiKey } from '#platform/identity/api-key.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { GRACE_MS } from '../live-secrets.ts'
import { addSecret, lockApiKey, mayGiveOut, readApiKey, touch } from './api-key.ts'

/** Gives an API key a new secret. The one that there is stays good for a while, so that nobody is locked out meanwhile. */
export async function rotateApiKey(
  tx: Transaction,
  { params: { apiKeyId }, body, expected, actor }: Input<typeof apiKeyOperations.rotateApiKey>
): Promise<IssuedApiKey> {
  const before = await lockApiKey(tx, apiKeyId)
  checkVersion(expected, before.version)
  mayGiveOut(actor, before.scopes)
  if (before.expiresAt !== null && Date.parse(before.expiresAt) <= Date.now())
    throw new Problem('illegal-transition', 'The key has expired: give out a new one')
  if (before.secrets.length >= SECRETS_MAX)
    throw new Problem('illegal-transition', `The key has ${SECRETS_MAX} secrets that are good: delete one, or wait for its end`)
  tx.send('update api_key_secrets set ends_at = $2 where api_key_id = $1 and ends_at is null', [
    apiKeyId,
    body.previousEndsAt ?? new Date(Date.now() + GRACE_MS).toISOString()
  ])
  tx.send('delete from api_key_secrets where api_key_id = $1 and ends_at <= now()', [apiKeyId])
  const { key, digest } = newApiKey(apiKeyId, tx.origin.environment)
  addSecret(tx, apiKeyId, digest)
  touch(tx, apiKeyId)
  return { ...(await readApiKey(tx, apiKeyId)), key }
}
