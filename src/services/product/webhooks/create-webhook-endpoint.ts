import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { Problem } from '#contracts/problems.ts'
import { WEBHOOK_ENDPOINTS_MAX, type WebhookEndpointWithSecret } from '#contracts/resources/webhook.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { changes, headForWebhooks, readWebhookEndpoint } from './webhook-endpoint.ts'
import { checkAsked } from './webhook-faults.ts'
import { addWebhookSecret } from './webhook-secrets.ts'
import { termsOf } from './webhook-terms.ts'

/** Has events delivered to an address from now on. Its secret is in the answer and nowhere else in the clear. */
export async function createWebhookEndpoint(
  tx: Transaction,
  { body, actor }: Input<typeof webhookOperations.createWebhookEndpoint>
): Promise<WebhookEndpointWithSecret> {
  const { description = null, eventTypes, filter = null, ordering = 'none', inFlightMax = 5, requestsPerSecond = null } = body
  const terms = termsOf(tx.origin.config!)
  const url = checkAsked({ url: body.url, eventTypes, filter }, actor, terms)
  // Before they are counted: of two at once, one sees the other.
  const from = await headForWebhooks(tx)
  const [owned] = await tx.query<{ count: number }>(
    'select count(*) from webhook_endpoints where owner_issuer = $1 and owner_subject = $2',
    [actor.issuer, actor.subject]
  )
  if (owned!.count >= WEBHOOK_ENDPOINTS_MAX)
    throw new Problem('limit-reached', `There are ${WEBHOOK_ENDPOINTS_MAX} webhook endpoints of this owner already: delete one`)
  const id = newId()
  tx.send(
    `insert into webhook_endpoints (webhook_endpoint_id, url, description, event_types, filter, ordering, in_flight_max, requests_per_second,
       status, owner_issuer, owner_subject, owner_client_id, owner_user_id, owner_scopes, from_position, version, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'enabled', $9, $10, $11, $12, $13, $14, 1, now(), now())`,
    [
      ...[id, url, description, eventTypes, filter && JSON.stringify(filter), ordering, inFlightMax, requestsPerSecond],
      ...[actor.issuer, actor.subject, actor.clientId, actor.userId ?? null, [...actor.scopes], from]
    ]
  )
  const secret = addWebhookSecret(tx, terms.sealing, id)
  return { ...(await readWebhookEndpoint(tx, id, changes(actor))), secret }
}
