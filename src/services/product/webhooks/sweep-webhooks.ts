import type { Config } from '#platform/config.ts'
import type { Database } from '#platform/postgres/database.ts'
import { resealWebhookSecrets } from './webhook-secrets.ts'
import { termsOf } from './webhook-terms.ts'

const BATCH = 1000

/** Forgets deliveries that are old or of endpoints that are gone, then messages that nothing refers to; seals secrets as the setting has it now. */
export async function sweepWebhooks(database: Database, config: Config): Promise<{ done: number; more: boolean }> {
  const days = [config.WEBHOOK_RETENTION_DAYS]
  const deliveries = await database.query(
    `delete from webhook_deliveries where webhook_delivery_id in (
       (select webhook_delivery_id from webhook_deliveries where requested_at < now() - make_interval(days => $1) limit ${BATCH})
       union
       (select d.webhook_delivery_id from webhook_deliveries d
        where not exists (select from webhook_endpoints e where e.webhook_endpoint_id = d.webhook_endpoint_id) limit ${BATCH})
     ) returning 1`,
    days
  )
  // Younger ones may belong to deliveries that are being written now.
  const messages = await database.query(
    `delete from webhook_messages where message_id in (
       select m.message_id from webhook_messages m
       where m.created_at < now() - interval '1 day'
         and not exists (select from webhook_deliveries d where d.message_id = m.message_id)
       limit ${BATCH}
     ) and created_at < now() - interval '1 day' returning 1`
  )
  const secrets = await database.query(`delete from webhook_secrets where ends_at < now() - interval '1 day' returning 1`)
  // Last: a secret that nobody can open any more keeps nothing else from being swept.
  await resealWebhookSecrets(database, termsOf(config).sealing)
  return {
    done: deliveries.length + messages.length + secrets.length,
    more: deliveries.length >= BATCH || messages.length === BATCH
  }
}
