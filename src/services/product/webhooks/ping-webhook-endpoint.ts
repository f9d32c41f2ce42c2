import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { Problem } from '#contracts/problems.ts'
import { WEBHOOK_PING, type WebhookDelivery, type WebhookPing } from '#contracts/resources/webhook-delivery.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { deliverMessage } from './webhook-delivery.ts'
import { changes, readWebhookEndpoint } from './webhook-endpoint.ts'

/** Has a ping delivered, by the way that events go. */
export async function pingWebhookEndpoint(
  tx: Transaction,
  { params: { webhookEndpointId }, actor }: Input<typeof webhookOperations.pingWebhookEndpoint>
): Promise<WebhookDelivery> {
  const endpoint = await readWebhookEndpoint(tx, webhookEndpointId, changes(actor))
  if (endpoint.status !== 'enabled') throw new Problem('illegal-transition', 'The endpoint is disabled: enable it first')
  const id = newId()
  const ping: WebhookPing = {
    eventId: id,
    eventType: WEBHOOK_PING,
    eventVersion: 1,
    source: tx.origin.source,
    webhookEndpointId,
    timestamp: new Date().toISOString()
  }
  return deliverMessage(tx, webhookEndpointId, {
    id,
    type: WEBHOOK_PING,
    key: webhookEndpointId,
    body: JSON.stringify(ping),
    headers: {}
  })
}
