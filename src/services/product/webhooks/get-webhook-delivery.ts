import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import type { WebhookDeliveryWithAttempts } from '#contracts/resources/webhook-delivery.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import type { Row } from '#platform/postgres/database.ts'
import { readDeliveryRow, toWebhookDelivery } from './webhook-delivery.ts'
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

export async function getWebhookDelivery(
  { database }: Reading,
  { params: { webhookDeliveryId }, actor }: Input<typeof webhookOperations.getWebhookDelivery>
): Promise<WebhookDeliveryWithAttempts> {
  const row = await readDeliveryRow(database, webhookDeliveryId, reads(actor))
  const [message] = await database.query<{ body: string }>('select body from webhook_messages where message_id = $1', [
    row.message_id
  ])
  const attempts = await database.query<AttemptRow>(
    'select * from webhook_attempts where webhook_delivery_id = $1 order by attempt desc limit $2',
    [webhookDeliveryId, LOG_MAX]
  )
  const log = attempts.map(({ attempt, at, duration_ms, response_status, error, response_body }) => ({
    ...{ attempt, at, durationMs: duration_ms, responseStatus: response_status, error, responseBody: response_body }
  }))
  return { ...toWebhookDelivery(row), body: message!.body, log }
}
