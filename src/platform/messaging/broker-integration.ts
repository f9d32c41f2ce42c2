/** The broker as an integration: asked what waits in it, by each process for itself. */
import type { Broker, Subscription } from '#broker/broker.ts'
import { openEvidence, watchIntegration } from '../resilience/integrations.ts'
import { errorTypeOf } from '../trace.ts'
import { TIMEOUT_MS, waitingIn } from './broker-watch.ts'

/** Watches the broker for a service, with what waits in it for its consumers, until disposed. */
export function watchBrokerIntegration(
  service: string,
  broker: Broker,
  groups: readonly Pick<Subscription, 'group' | 'topics'>[]
): Disposable {
  const evidence = openEvidence()
  let lag: number | null = null
  return watchIntegration({
    name: 'broker',
    kind: 'broker',
    service,
    evidence,
    lag: () => lag,
    async look() {
      try {
        if (!broker.waiting) return
        const waiting = await waitingIn(broker, groups)
        if (!waiting) return evidence.failed(`no answer within ${TIMEOUT_MS} ms`)
        lag = [...waiting.values()].reduce((sum, count) => sum + count, 0)
        evidence.succeeded()
      } catch (error) {
        // In a word: what a driver says may name hosts.
        evidence.failed(`unreachable (${errorTypeOf(error)})`)
      }
    }
  })
}
