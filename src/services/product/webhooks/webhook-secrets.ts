/** The secrets of webhook endpoints: sealed in the database, each bound to its own id. */
import { newId } from '#platform/id.ts'
import type { Queryable, Transaction } from '#platform/postgres/database.ts'
import type { Sealing } from '#platform/signing/sealing.ts'
import { type HmacKey, hmacKeyOf, newWebhookSecret, shownSecret } from '#platform/signing/standard-webhooks.ts'

/** Gives an endpoint another secret, and gives it back as its owner is shown it, once. */
export function addWebhookSecret(tx: Transaction, sealing: Sealing, endpointId: string): string {
  const secret = newWebhookSecret()
  const secretId = newId()
  const { bytes, sealed } = sealing.seal(secretId, secret)
  tx.send(
    'insert into webhook_secrets (secret_id, webhook_endpoint_id, secret, sealed, created_at) values ($1, $2, $3, $4, now())',
    [secretId, endpointId, bytes, sealed]
  )
  return shownSecret(secret)
}

type SecretRow = { secret_id: string; webhook_endpoint_id: string; secret: Buffer; sealed: boolean; ends_at: string | null }

export type WebhookSecret = { secret: HmacKey; endsAtMs: number }

/** The secrets of these endpoints that are good now. One of which a secret cannot be opened is left out, and told of. */
export async function readWebhookSecrets(
  database: Queryable,
  sealing: Sealing,
  endpointIds: readonly string[],
  unreadable: (endpointId: string, error: unknown) => void
): Promise<Map<string, WebhookSecret[]>> {
  const rows = await database.query<SecretRow>(
    `select * from webhook_secrets where webhook_endpoint_id = any($1) and (ends_at is null or ends_at > now()) order by secret_id`,
    [endpointIds]
  )
  const found = new Map<string, WebhookSecret[]>(endpointIds.map(id => [id, []]))
  for (const { secret_id: id, webhook_endpoint_id: endpointId, secret: bytes, sealed, ends_at: endsAt } of rows) {
    try {
      const secret = hmacKeyOf(sealing.open(id, { bytes, sealed }))
      found.get(endpointId)?.push({ secret, endsAtMs: endsAt ? Date.parse(endsAt) : Number.POSITIVE_INFINITY })
    } catch (error) {
      found.delete(endpointId)
      unreadable(endpointId, error)
    }
  }
  return found
}

/** Seals under the first of the setting's secrets what is not, so that the others can be taken out of it. Gives back how many. */
export async function resealWebhookSecrets(database: Queryable, sealing: Sealing): Promise<number> {
  const rows = await database.query<SecretRow>('select * from webhook_secrets')
  let done = 0
  for (const { secret_id: id, secret: bytes, sealed } of rows) {
    if (sealing.isCurrent(id, { bytes, sealed })) continue
    const anew = sealing.seal(id, sealing.open(id, { bytes, sealed }))
    // What was sealed by somebody else meanwhile is theirs.
    await database.query('update webhook_secrets set secret = $3, sealed = $4 where secret_id = $1 and secret = $2', [
      id,
      bytes,
      anew.bytes,
      anew.sealed
    ])
    done++
  }
  return done
}
