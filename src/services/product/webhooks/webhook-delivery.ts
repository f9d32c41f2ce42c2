/** Deliveries in the database: what of which message goes where, and what became of it. */
import { Problem } from '#contracts/problems.ts'
import { WEBHOOK_PING, type WebhookDelivery } from '#contracts/resources/webhook-delivery.ts'
import { newId } from '#platform/id.ts'
import type { EventPermissions, EventReader } from '#platform/messaging/event-permissions.ts'
import type { Queryable, Row, Transaction } from '#platform/postgres/database.ts'
import { type Asking, askerValues, isAskers } from './webhook-endpoint.ts'

export type DeliveryRow = Row & {
  webhook_delivery_id: string
  webhook_endpoint_id: string
  message_id: string
  event_type: string
  key: string
  status: WebhookDelivery['status']
  attempts: number
  next_attempt_at: string | null
  last_response_status: number | null
  last_error: string | null
  created_at: string
  completed_at: string | null
}

export function toWebhookDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    webhookDeliveryId: row.webhook_delivery_id,
    webhookEndpointId: row.webhook_endpoint_id,
    messageId: row.message_id,
    eventType: row.event_type,
    key: row.key,
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    lastResponseStatus: row.last_response_status,
    lastError: row.last_error,
    createdAt: row.created_at,
    completedAt: row.completed_at
  }
}

type ReadRow = DeliveryRow & { endpoint_status: string; body: string }

/** Reads a delivery. Throws `not-found`, also where its endpoint is somebody else's, or gone. */
export async function readDeliveryRow(database: Queryable, id: string, asking: Asking): Promise<ReadRow> {
  const [row] = await database.query<ReadRow>(
    `select d.*, e.status as endpoint_status, m.body
     from webhook_deliveries d join webhook_endpoints e using (webhook_endpoint_id) join webhook_messages m using (message_id)
     where d.webhook_delivery_id = $1 and ${isAskers(2)}`,
    [id, ...askerValues(asking)]
  )
  if (!row) throw new Problem('not-found', 'There is no such webhook delivery')
  return row
}

/** Whether it may be told to who reads events like this: a ping is no event, and everybody's. */
export function mayBeTold(permissions: EventPermissions, reader: EventReader, type: string): boolean {
  return type === WEBHOOK_PING || permissions.mayRead(reader, type)
}

/** What is set of a `webhook_deliveries d` that is asked for once more: the schedule of tries begins anew. */
export const askedAnew = `status = 'pending', attempts_before = d.attempts, next_attempt_at = now(), requested_at = now(), completed_at = null`

/** Has one message delivered to one endpoint. */
export async function deliverMessage(
  tx: Transaction,
  endpointId: string,
  message: { id: string; type: string; key: string; body: string; headers: Record<string, string> }
): Promise<WebhookDelivery> {
  const { id, type, key, body, headers } = message
  tx.send('insert into webhook_messages (message_id, event_type, key, headers, body) values ($1, $2, $3, $4, $5)', [
    ...[id, type, key, JSON.stringify(headers), body]
  ])
  const [row] = await tx.query<DeliveryRow>(
    `insert into webhook_deliveries (webhook_delivery_id, webhook_endpoint_id, message_id, event_type, key, status, next_attempt_at)
     values ($1, $2, $3, $4, $5, 'pending', now()) returning *`,
    [newId(), endpointId, id, type, key]
  )
  return toWebhookDelivery(row!)
}
