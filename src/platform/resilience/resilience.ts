/**
 * What keeps a neighbour that fails from failing us, and the only door to the library of policies: a circuit breaker, a bulkhead, and a
 * budget of retries. One guard per integration; a try goes through the bulkhead, then the breaker.
 */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  circuitBreaker,
  handleWhen,
  type IBreaker,
  TaskCancelledError
} from 'cockatiel'

export type BreakerState = 'closed' | 'half-open' | 'open'

export type GuardOptions = {
  /** Tries under way at once. */
  concurrency: number
  /** Tries that wait for one of them to end; more are refused. */
  queue: number
  /** So many failures within so long open the breaker, if they are half of all tries or more. */
  failures: number
  withinMs: number
  /** After so long, one try is let through: it closes the breaker, or the wait begins again. */
  halfOpenAfterMs: number
}

export const guardDefaults: GuardOptions = { concurrency: 32, queue: 64, failures: 5, withinMs: 10_000, halfOpenAfterMs: 5000 }

/** Why a try was not even sent. */
export type Refusal = 'breaker-open' | 'overloaded' | 'cancelled'

export interface Guard {
  readonly breaker: BreakerState
  /**
   * Runs a try when it may run. `counts` says what of its end tells of the neighbour: a failure, a success, or nothing (whoever asked
   * has gone). Rejects with `Refused` when it was not run.
   */
  run<Result>(attempt: () => Promise<Result>, counts: Counting<Result>, signal?: AbortSignal): Promise<Result>
  /** Counts a call: each allows a tenth of a retry. */
  called(): void
  /** Takes one retry of the budget; false when there is none. */
  takeRetry(): boolean
}

export type Counting<Result> = { failed(result: Result): boolean; tellsNothing(error: unknown): boolean }

/** A try that was not sent. */
export class Refused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(refusal)
    this.name = 'Refused'
    this.refusal = refusal
  }
}

export function openGuard(options: GuardOptions, changed: (state: BreakerState) => void = () => {}): Guard {
  const places = bulkhead(options.concurrency, options.queue)
  const budget = openRetryBudget()
  const breaker = circuitBreaker(
    handleWhen(error => !(error instanceof TellsNothing) || breaker.state === CircuitState.HalfOpen),
    { halfOpenAfter: options.halfOpenAfterMs, breaker: failuresWithin(options) }
  )
  breaker.onStateChange(state => changed(states[state]))

  return {
    get breaker() {
      return states[breaker.state]
    },
    async run(attempt, { failed, tellsNothing }, signal) {
      const counted = async () => {
        const result = await attempt().catch((error: unknown) => {
          throw tellsNothing(error) ? new TellsNothing(error) : error
        })
        // What is thrown past the breaker is a failure to it; its caller wants the answer all the same.
        if (failed(result)) throw new FailedAnswer(result)
        return result
      }
      try {
        return await places.execute(() => breaker.execute(counted), signal)
      } catch (error) {
        if (error instanceof FailedAnswer) return error.result as never
        if (error instanceof TellsNothing) throw error.cause
        throw refusalOf(error) ?? error
      }
    },
    called: budget.called,
    takeRetry: budget.takeRetry
  }
}

const states: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Isolated]: 'open'
}

/** An answer that says that the neighbour is not well. */
class FailedAnswer extends Error {
  readonly result: unknown
  constructor(result: unknown) {
    super('a failed answer')
    this.result = result
  }
}

/** An end that says nothing of the neighbour. As the one try of a half-open breaker it is a failure: nothing was found out. */
class TellsNothing extends Error {
  constructor(cause: unknown) {
    super('it tells nothing', { cause })
  }
}

function refusalOf(error: unknown): Refused | undefined {
  if (error instanceof BrokenCircuitError) return new Refused('breaker-open')
  if (error instanceof BulkheadRejectedError) return new Refused('overloaded')
  return error instanceof TaskCancelledError ? new Refused('cancelled') : undefined
}

/** The library's own breaker by rate goes on counting what failed before a long silence. */
export function failuresWithin(
  { failures: most, withinMs }: Pick<GuardOptions, 'failures' | 'withinMs'>,
  now = () => performance.now()
): IBreaker {
  const slots = Array.from({ length: 10 }, () => ({ at: Number.NEGATIVE_INFINITY, failures: 0, successes: 0 }))
  const width = withinMs / slots.length

  function count(what: 'failures' | 'successes'): void {
    const at = Math.floor(now() / width)
    const slot = slots[at % slots.length]!
    if (slot.at !== at) Object.assign(slot, { at, failures: 0, successes: 0 })
    slot[what]++
  }

  return {
    state: undefined,
    success(state) {
      if (state === CircuitState.HalfOpen) for (const slot of slots) slot.at = Number.NEGATIVE_INFINITY
      count('successes')
    },
    failure() {
      count('failures')
      const since = Math.floor(now() / width) - slots.length
      const recent = slots.filter(slot => slot.at > since)
      const failures = recent.reduce((sum, slot) => sum + slot.failures, 0)
      const successes = recent.reduce((sum, slot) => sum + slot.successes, 0)
      return failures >= most && failures >= successes
    }
  }
}

const RESERVE = 10
const EXTRA_SHARE = 0.1

/** Retries are a tenth of all calls at most, beside a reserve of ten for neighbours who are called seldom. */
export function openRetryBudget(): Pick<Guard, 'called' | 'takeRetry'> {
  let left = RESERVE
  return {
    called() {
      left = Math.min(RESERVE, left + EXTRA_SHARE)
    },
    takeRetry() {
      if (left < 1) return false
      left -= 1
      return true
    }
  }
}
