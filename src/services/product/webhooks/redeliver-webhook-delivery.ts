import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { Problem } from '#contracts/problems.ts'
import type { WebhookDelivery } from '#contracts/resources/webhook-delivery.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { askedAnew, type DeliveryRow, readDeliveryRow, toWebhookDelivery } from './webhook-delivery.ts'
import { changes } from './webhook-endpoint.ts'

/** Has something delivered once more. One that waits for its next try does not wait any longer. */
export async function redeliverWebhookDelivery(
  tx: Transaction,
  { params: { webhookDeliveryId: id }, actor }: Input<typeof webhookOperations.redeliverWebhookDelivery>
): Promise<WebhookDelivery> {
  const before = await readDeliveryRow(tx, id, changes(actor))
  keepBefore(tx, toWebhookDelivery(before))
  if (before.endpoint_status !== 'enabled') throw new Problem('illegal-transition', 'The endpoint is disabled: enable it first')
  const [row] = await tx.query<DeliveryRow>(
    `update webhook_deliveries d set ${askedAnew} where webhook_delivery_id = $1 returning *`,
    [id]
  )
  if (!row) throw new Problem('not-found', 'There is no such webhook delivery any more')
  return toWebhookDelivery(row)
}
