/** The settings of webhooks. Part of the table in config.ts. */
import { Type } from 'typebox'
import { count, DELAYS_MS } from './setting-kinds.ts'

export const webhookSettings = {
  WEBHOOK_ALLOW_HTTP: Type.Boolean({
    default: false,
    description: 'For development: webhooks may be delivered by http and to any port; refused in production'
  }),
  WEBHOOK_ALLOW_PRIVATE: Type.Boolean({
    default: false,
    description: 'For development: webhooks may be delivered to this machine and to private networks; refused in production'
  }),
  WEBHOOK_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 30_000,
    default: 15_000,
    description: 'How long a receiver of webhooks may take to answer'
  }),
  WEBHOOK_RETRY_DELAYS_MS: Type.String({
    default: '5000,300000,1800000,7200000,18000000,36000000,50400000,72000000,86400000',
    pattern: DELAYS_MS,
    description: 'How long before each further try of a webhook, and up to a tenth longer; after the last it is given up'
  }),
  WEBHOOK_DISABLE_AFTER_HOURS: count(120, 'An endpoint of webhooks that has failed for so long, and nothing else, is disabled'),
  WEBHOOK_RETENTION_DAYS: count(30, 'How long deliveries of webhooks can be read and repeated', 4)
}
