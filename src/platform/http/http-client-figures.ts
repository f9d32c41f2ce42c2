/** What /metrics says of calls to integrations. */
import type { BreakerState } from '../resilience/resilience.ts'
import { clientCalls, clientRequests, clientRetries, gaugeRead } from '../telemetry.ts'

/** How a call or a try ended. */
export type Outcome =
  | 'answered'
  | 'failed'
  | 'timeout'
  | 'unreachable'
  | 'cancelled'
  | 'breaker-open'
  | 'overloaded'
  | 'unconfigured'

export interface CallFigures extends Disposable {
  called(outcome: Outcome): void
  tried(outcome: Outcome, ms: number): void
  retried(outcome: 'sent' | 'refused'): void
}

type Breaker = { service: string; integration: string; read(): BreakerState }
const breakers = new Set<Breaker>()
const states: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 }

gaugeRead(
  'http_client_breaker_state',
  'Circuit breaker of an integration: 0 closed, 1 half-open (a try is under way), 2 open',
  ['service', 'integration'],
  async () => [...breakers].map(({ service, integration, read }) => ({ labels: { service, integration }, value: states[read()] }))
)

/** Shows an integration in /metrics until disposed; one that all services share has no service. */
export function openCallFigures(of: { name: string; service?: string | undefined; breaker(): BreakerState }): CallFigures {
  const labels = { service: of.service ?? '', integration: of.name }
  const breaker = { ...labels, read: of.breaker }
  breakers.add(breaker)
  return {
    called: outcome => clientCalls.inc({ ...labels, outcome }),
    tried: (outcome, ms) => clientRequests.observe({ ...labels, outcome }, ms / 1000),
    retried: outcome => clientRetries.inc({ ...labels, outcome }),
    [Symbol.dispose]: () => void breakers.delete(breaker)
  }
}
