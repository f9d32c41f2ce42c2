import type { apiKeyOperations } from '#contracts/http/product-api-keys.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockApiKey } from './api-key.ts'

/** Takes an API key back for good. */
export async function deleteApiKey(
  tx: Transaction,
  { params: { apiKeyId }, expected }: Input<typeof apiKeyOperations.deleteApiKey>
): Promise<undefined> {
  checkVersion(expected, (await lockApiKey(tx, apiKeyId)).version)
  await tx.query('delete from api_keys where api_key_id = $1', [apiKeyId])
}
