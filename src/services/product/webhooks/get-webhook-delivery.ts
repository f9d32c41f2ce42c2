import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import type { WebhookDeliveryWithAttempts } from '#contracts/resources/webhook-delivery.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import type { Row } from '#platform/postgres/database.ts'
import { mayBeTold, readDeliveryRow, toWebhookDelivery } from './webhook-delivery.ts'
import { reads } from './webhook-endpoint.ts'

const LOG_MAX = 100

type AttemptRow = Row & {
  attempt: number
  at: string
  duration_ms: number
  response_status: number | null
  error: string | null
  response_body: string | null
}

/** What was delivered is shown to who may read such events now. */
export async function getWebhookDelivery(
  { database, eventPermissions }: Reading,
  { params: { webhookDeliveryId }, actor }: Input<typeof webhookOperations.getWebhookDelivery>
): Promise<WebhookDeliveryWithAttempts> {
  const row = await readDeliveryRow(database, webhookDeliveryId, reads(actor))
  const attempts = await database.query<AttemptRow>(
    'select * from webhook_attempts where webhook_delivery_id = $1 order by attempt desc limit $2',
    [webhookDeliveryId, LOG_MAX]
  )
  const log = attempts.map(({ attempt, at, duration_ms, response_status, error, response_body }) => ({
    ...{ attempt, at, durationMs: duration_ms, responseStatus: response_status, error, responseBody: response_body }
  }))
  return { ...toWebhookDelivery(row), body: mayBeTold(eventPermissions, actor, row.event_type) ? row.body : null, log }
}
