import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { reads, readWebhookEndpoints } from './webhook-endpoint.ts'

type Operation = typeof webhookOperations.listWebhookEndpoints

export function listWebhookEndpoints(
  { database, cursors }: Reading,
  { query, actor }: Input<Operation>
): Promise<Output<Operation>> {
  return page(
    cursors,
    'listWebhookEndpoints',
    query,
    (after, limit) => readWebhookEndpoints(database, reads(actor), after ? String(after[0]) : null, limit),
    endpoint => [endpoint.webhookEndpointId]
  )
}
