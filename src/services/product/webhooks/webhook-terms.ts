/** What this installation allows of webhooks: which addresses, which events to whom; and how their secrets are kept. */
import type { Config } from '#platform/config.ts'
import type { EgressRules } from '#platform/egress/destination.ts'
import { type EventPermissions, openEventPermissions } from '#platform/messaging/event-permissions.ts'
import { openSealing, type Sealing } from '#platform/signing/sealing.ts'

export type WebhookTerms = { rules: EgressRules; permissions: EventPermissions; sealing: Sealing }

const known = new WeakMap<Config, WebhookTerms>()

export function termsOf(config: Config): WebhookTerms {
  const terms = known.get(config) ?? {
    rules: { allowHttp: config.WEBHOOK_ALLOW_HTTP, allowPrivate: config.WEBHOOK_ALLOW_PRIVATE },
    permissions: openEventPermissions(config.EVENT_CONSUMERS),
    sealing: openSealing(config.SIGNING_KEY_SECRET, 'webhook secret')
  }
  known.set(config, terms)
  return terms
}
