import type { apiKeyOperations } from '#contracts/http/product-api-keys.ts'
import type { ApiKey } from '#contracts/resources/api-key.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readApiKey } from './api-key.ts'

export function getApiKey({ database }: Reading, { params }: Input<typeof apiKeyOperations.getApiKey>): Promise<ApiKey> {
  return readApiKey(database, params.apiKeyId)
}
