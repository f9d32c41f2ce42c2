/** Webhooks as a part that a process runs: events are fanned out, and what is due is delivered. */
import { openEgress } from '#platform/egress/egress.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import type { WebhooksContext } from '#platform/service.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openCurrentKey } from '#platform/signing/signing.ts'
import { startWebhookDelivery } from './deliver-webhooks.ts'
import { startWebhookFanOut } from './fan-out-webhooks.ts'
import { termsOf } from './webhook-terms.ts'

export function startWebhooks({ database, config, source, baseUrl, eventLog, log }: WebhooksContext): AsyncDisposable {
  const { rules, permissions, sealing } = termsOf(config)
  const stack = new AsyncDisposableStack()
  const deliveries = openWakeup(database, 'webhook deliveries')
  const egress = stack.use(openEgress({ rules }))
  stack.use(
    startWebhookDelivery({
      ...{ database, deliveries, permissions, sealing, egress, baseUrl, log },
      currentKey: openCurrentKey({ database, sealing: openSealing(config.SIGNING_KEY_SECRET) }),
      timeoutMs: config.WEBHOOK_TIMEOUT_MS,
      delaysMs: config.WEBHOOK_RETRY_DELAYS_MS.split(',').map(Number),
      disableAfterHours: config.WEBHOOK_DISABLE_AFTER_HOURS
    })
  )
  stack.use(startWebhookFanOut({ database, eventLog, deliveries, source, permissions, log }))
  return stack
}
