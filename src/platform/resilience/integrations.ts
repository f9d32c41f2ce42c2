/**
 * Everything outside that this process stands on, and what it has seen of it: of calls that were made anyhow, and where nobody has called
 * for a while, by asking. See integration-views.ts for how processes put together what each has seen.
 */
import type { BreakerState } from './resilience.ts'

export type State = 'up' | 'degraded' | 'down' | 'unknown'

/** How an integration looks from one process. Times are RFC 3339. No addresses, no secrets. */
export type View = {
  name: string
  kind: 'http' | 'broker'
  state: State
  breaker: BreakerState | null
  lastSuccessAt: string | null
  lastErrorAt: string | null
  lastError: string | null
  /** Messages that wait there for this service. */
  lag: number | null
}

export type Watched = {
  name: string
  kind: View['kind']
  /** Whose it is; without it, of all services of this process. */
  service?: string | undefined
  evidence: Evidence
  /** After how long without evidence it is looked at. */
  idleMs?: number | undefined
  breaker?(): BreakerState
  lag?(): number | null
  /** Tries whether it is there, and keeps what it finds as evidence. Never rejects, and is bounded in time. */
  look(): Promise<void>
}

export interface Evidence {
  succeeded(): void
  /** In words that may be shown to operators. */
  failed(error: string): void
  readonly failures: number
  /** When it was seen last, on the clock of `performance.now()`. */
  readonly at: number
  readonly seen: Pick<View, 'lastSuccessAt' | 'lastErrorAt' | 'lastError'>
}

export function openEvidence(): Evidence {
  let failures = 0
  let at = Number.NEGATIVE_INFINITY
  let seen: Evidence['seen'] = { lastSuccessAt: null, lastErrorAt: null, lastError: null }
  return {
    succeeded() {
      failures = 0
      at = performance.now()
      seen = { ...seen, lastSuccessAt: new Date().toISOString() }
    },
    failed(error) {
      failures++
      at = performance.now()
      seen = { ...seen, lastErrorAt: new Date().toISOString(), lastError: error }
    },
    get failures() {
      return failures
    },
    get at() {
      return at
    },
    get seen() {
      return seen
    }
  }
}

const watched = new Set<Watched>()

/** Watches an integration until disposed. */
export function watchIntegration(integration: Watched): Disposable {
  watched.add(integration)
  return { [Symbol.dispose]: () => void watched.delete(integration) }
}

/** What this process has seen of the integrations of a service. */
export function viewsOf(service: string): View[] {
  return ofService(service).map(({ name, kind, evidence, breaker, lag }) => ({
    name,
    kind,
    state: stateOf(evidence, breaker?.()),
    breaker: breaker?.() ?? null,
    ...evidence.seen,
    lag: lag?.() ?? null
  }))
}

const IDLE_MS = 5000
const looking = new Set<Watched>()

/** Looks at what has not been heard of for a while, and again at what failed last, each once at a time. */
export async function lookAt(service: string): Promise<void> {
  const due = ofService(service).filter(each => {
    const idle = performance.now() - each.evidence.at > (each.idleMs ?? IDLE_MS)
    return !looking.has(each) && (idle || each.evidence.failures > 0)
  })
  await Promise.all(
    due.map(async each => {
      looking.add(each)
      await each.look()
      looking.delete(each)
    })
  )
}

const ofService = (service: string) => [...watched].filter(each => each.service === undefined || each.service === service)

const DOWN_AFTER = 3

/** A try that fails may be an accident. */
function stateOf({ failures, at }: Evidence, breaker: BreakerState = 'closed'): State {
  if (at === Number.NEGATIVE_INFINITY) return 'unknown'
  if (breaker === 'open' || failures >= DOWN_AFTER) return 'down'
  return failures > 0 || breaker === 'half-open' ? 'degraded' : 'up'
}
