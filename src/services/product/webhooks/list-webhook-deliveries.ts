import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { conditionsOf } from '#platform/postgres/conditions.ts'
import { type DeliveryRow, toWebhookDelivery } from './webhook-delivery.ts'
import { askerValues, isAskers, reads } from './webhook-endpoint.ts'

type Operation = typeof webhookOperations.listWebhookDeliveries

const conditions = {
  webhookEndpointId: 'd.webhook_endpoint_id =',
  status: 'd.status =',
  eventType: 'd.event_type =',
  after: 'd.webhook_delivery_id <'
}

/** Lists deliveries, the newest first. */
export function listWebhookDeliveries(
  { database, cursors }: Reading,
  { query, actor }: Input<Operation>
): Promise<Output<Operation>> {
  return page(
    cursors,
    'listWebhookDeliveries',
    query,
    async (after, limit) => {
      const { webhookEndpointId, status, eventType } = query
      const { where, values } = conditionsOf(conditions, {
        ...{ webhookEndpointId, status, eventType, after: after?.[0] }
      })
      const next = values.length + 1
      const rows = await database.queryAfresh<DeliveryRow>(
        `select d.* from webhook_deliveries d join webhook_endpoints e using (webhook_endpoint_id)
         where ${where} and ${isAskers(next)} order by d.webhook_delivery_id desc limit $${next + 3}`,
        [...values, ...askerValues(reads(actor)), limit]
      )
      return rows.map(toWebhookDelivery)
    },
    delivery => [delivery.webhookDeliveryId]
  )
}
