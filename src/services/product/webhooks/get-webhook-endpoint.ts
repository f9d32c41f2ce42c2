import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import type { WebhookEndpoint } from '#contracts/resources/webhook.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { reads, readWebhookEndpoint } from './webhook-endpoint.ts'

export function getWebhookEndpoint(
  { database }: Reading,
  { params, actor }: Input<typeof webhookOperations.getWebhookEndpoint>
): Promise<WebhookEndpoint> {
  return readWebhookEndpoint(database, params.webhookEndpointId, reads(actor))
}
