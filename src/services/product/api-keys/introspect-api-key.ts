import type { apiKeyOperations } from '#contracts/http/product-api-keys.ts'
import type { ApiKeyStanding } from '#contracts/resources/api-key.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { isDigest } from '#platform/identity/api-key.ts'
import type { LookUpApiKey } from '#platform/identity/api-key-check.ts'
import type { Queryable, Row } from '#platform/postgres/database.ts'

/** Says what an API key allows, to a service that was shown it: as it is now, from no cache. */
export function introspectApiKey(
  { database }: Reading,
  { body }: Input<typeof apiKeyOperations.introspectApiKey>
): Promise<ApiKeyStanding> {
  return lookUpApiKey(database)(body)
}

type SecretRow = Row & {
  scopes: string[]
  networks: string[]
  digest: Buffer
  ends_at: string | null
  unseen: boolean
}

/** The good secrets of a good key: two at most, found by the key's id. */
export const goodSecrets = `
  select k.scopes, k.networks, s.digest, least(k.expires_at, s.ends_at) as ends_at,
    coalesce(k.last_used_at < now() - interval '1 minute', true) as unseen
  from api_keys k join api_key_secrets s using (api_key_id)
  where api_key_id = $1 and (k.expires_at is null or k.expires_at > now()) and (s.ends_at is null or s.ends_at > now())`

const unknown: ApiKeyStanding = { active: false, scopes: [], networks: [], expiresAt: null }

/** The same within the process that keeps the keys. One look at the index, whether there is such a key or not. */
export function lookUpApiKey(database: Queryable): LookUpApiKey {
  return async ({ apiKeyId, digest }) => {
    const secrets = await database.query<SecretRow>(goodSecrets, [apiKeyId])
    // Each is compared, so that the time does not say which of them it was.
    const [found] = secrets.filter(secret => isDigest(digest, secret.digest))
    if (!found) return unknown
    if (found.unseen) await recordUse(database, apiKeyId)
    return { active: true, scopes: found.scopes, networks: found.networks, expiresAt: found.ends_at }
  }
}

/** Once a minute at most, whoever sees it first; not while the key is being changed, which is not to be waited for. */
async function recordUse(database: Queryable, apiKeyId: string): Promise<void> {
  await database.query(
    `update api_keys set last_used_at = now() where api_key_id = (
       select api_key_id from api_keys where api_key_id = $1 and coalesce(last_used_at < now() - interval '1 minute', true)
       for update skip locked
     )`,
    [apiKeyId]
  )
}
