import type { apiKeyOperations } from '#contracts/http/product-api-keys.ts'
import { Problem } from '#contracts/problems.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockApiKey, touch } from './api-key.ts'

/** Ends one secret of an API key. The key remains, and with it its other secret. */
export async function deleteApiKeySecret(
  tx: Transaction,
  { params: { apiKeyId, secretId } }: Input<typeof apiKeyOperations.deleteApiKeySecret>
): Promise<undefined> {
  await lockApiKey(tx, apiKeyId)
  const ended = await tx.query('delete from api_key_secrets where api_key_id = $1 and secret_id = $2 returning 1', [
    apiKeyId,
    secretId
  ])
  if (ended.length === 0) throw new Problem('not-found', 'The key has no such secret')
  touch(tx, apiKeyId)
}
