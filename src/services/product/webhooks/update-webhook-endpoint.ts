import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { Problem } from '#contracts/problems.ts'
import type { WebhookEndpoint } from '#contracts/resources/webhook.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { changes, headForWebhooks, lockWebhookEndpoint, readWebhookEndpoint } from './webhook-endpoint.ts'
import { checkAsked } from './webhook-faults.ts'
import { termsOf } from './webhook-terms.ts'

/** Changes an endpoint. Whether its owner may read what it asks for is asked anew. */
export async function updateWebhookEndpoint(
  tx: Transaction,
  { params: { webhookEndpointId: id }, body, expected, actor }: Input<typeof webhookOperations.updateWebhookEndpoint>
): Promise<WebhookEndpoint> {
  const { row, endpoint: before, isOwner } = await lockWebhookEndpoint(tx, id, actor)
  checkVersion(expected, before.version)
  // Where events go and which is decided by who may read them; an operator can end that, and take it up again.
  if (!isOwner && Object.keys(body).some(name => name !== 'status'))
    throw new Problem('not-owner', 'Who is not the owner of the endpoint may enable and disable it, and change nothing else')
  const scopes = isOwner ? [...actor.scopes] : row.owner_scopes
  const after = { ...before, ...body }
  const owner = { issuer: row.owner_issuer, clientId: row.owner_client_id, scopes: new Set(scopes) }
  const url = checkAsked(after, owner, termsOf(tx.origin.config!))
  const names = ['description', 'eventTypes', 'filter', 'ordering', 'inFlightMax', 'requestsPerSecond', 'status'] as const
  const isSame = (name: (typeof names)[number]) => JSON.stringify(after[name]) === JSON.stringify(before[name])
  if (url === before.url && names.every(isSame)) return before

  const { description, eventTypes, filter, ordering, inFlightMax, requestsPerSecond, status } = after
  const isEnabledNow = before.status === 'disabled' && status === 'enabled'
  const from = isEnabledNow ? await headForWebhooks(tx) : row.from_position
  tx.send(
    `update webhook_endpoints set url = $2, description = $3, event_types = $4, filter = $5, ordering = $6, in_flight_max = $7,
       requests_per_second = $8, status = $9, owner_scopes = $10, from_position = $11,
       disabled_reason = case when $9 = 'disabled' then coalesce(disabled_reason, 'by-request') end,
       disabled_at = case when $9 = 'disabled' then coalesce(disabled_at, now()) end,
       failing_since = case when $12 then null else failing_since end,
       version = version + 1, updated_at = now()
     where webhook_endpoint_id = $1`,
    [
      ...[id, url, description, eventTypes, filter && JSON.stringify(filter), ordering, inFlightMax, requestsPerSecond, status],
      ...[scopes, from, isEnabledNow || url !== before.url]
    ]
  )
  return readWebhookEndpoint(tx, id, changes(actor))
}
