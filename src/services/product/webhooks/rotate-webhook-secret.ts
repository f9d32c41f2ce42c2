import type { webhookOperations } from '#contracts/http/product-webhooks.ts'
import { Problem } from '#contracts/problems.ts'
import { WEBHOOK_SECRETS_MAX, type WebhookEndpointWithSecret } from '#contracts/resources/webhook.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { GRACE_MS } from '../live-secrets.ts'
import { changes, lockWebhookEndpoint, readWebhookEndpoint } from './webhook-endpoint.ts'
import { addWebhookSecret } from './webhook-secrets.ts'
import { termsOf } from './webhook-terms.ts'

/** Gives an endpoint a new secret. The one before signs as well for a while: the receiver exchanges it when it likes. */
export async function rotateWebhookSecret(
  tx: Transaction,
  { params: { webhookEndpointId: id }, body, expected, actor }: Input<typeof webhookOperations.rotateWebhookSecret>
): Promise<WebhookEndpointWithSecret> {
  const { endpoint, isOwner } = await lockWebhookEndpoint(tx, id, actor)
  if (!isOwner) throw new Problem('not-owner', 'Only its owner is shown a secret of the endpoint')
  checkVersion(expected, endpoint.version)
  const previousEndsAt = body.previousEndsAt ?? new Date(Date.now() + GRACE_MS).toISOString()
  const isOver = Date.parse(previousEndsAt) <= Date.now()
  // One that has its end already keeps it, unless all are to end now: a secret that has leaked is not to wait.
  const kept = isOver ? 0 : endpoint.secrets.length
  if (kept >= WEBHOOK_SECRETS_MAX)
    throw new Problem('illegal-transition', `${WEBHOOK_SECRETS_MAX} secrets sign already: wait for the end of one, or end them now`)
  tx.send('update webhook_secrets set ends_at = $2 where webhook_endpoint_id = $1 and ends_at is null', [id, previousEndsAt])
  tx.send('delete from webhook_secrets where webhook_endpoint_id = $1 and (ends_at <= now() or $2)', [id, isOver])
  const secret = addWebhookSecret(tx, termsOf(tx.origin.config!).sealing, id)
  tx.send('update webhook_endpoints set version = version + 1, updated_at = now() where webhook_endpoint_id = $1', [id])
  return { ...(await readWebhookEndpoint(tx, id, changes(actor))), secret }
}
