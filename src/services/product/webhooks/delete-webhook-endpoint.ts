import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockWebhookEndpoint } from './webhook-endpoint.ts'

/** Ends an endpoint for good. Its deliveries are swept later: there may be very many. */
export async function deleteWebhookEndpoint(
  tx: Transaction,
  { params: { webhookEndpointId }, expected, actor }: Input<typeof webhookOperations.deleteWebhookEndpoint>
): Promise<undefined> {
  const { endpoint } = await lockWebhookEndpoint(tx, webhookEndpointId, actor)
  checkVersion(expected, endpoint.version)
  await tx.query('delete from webhook_endpoints where webhook_endpoint_id = $1', [webhookEndpointId])
}
