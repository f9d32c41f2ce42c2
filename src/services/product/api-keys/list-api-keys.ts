import type { apiKeyOperations } from '#contracts/http/product-api-keys.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { type ApiKeyRow, apiKeyColumns, toApiKey } from './api-key.ts'

type Operation = typeof apiKeyOperations.listApiKeys

/** Lists API keys, oldest first. */
export function listApiKeys({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  return page(
    cursors,
    'listApiKeys',
    query,
    async (after, limit) => {
      const rows = await database.query<ApiKeyRow>(
        `select ${apiKeyColumns} from api_keys k where $1::uuid is null or api_key_id > $1 order by api_key_id limit $2`,
        [after?.[0] ?? null, limit]
      )
      return rows.map(toApiKey)
    },
    key => [key.apiKeyId]
  )
}
