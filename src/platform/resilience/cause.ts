/**
 * What work is done for: the request or the message that caused it. Calls to others take from it the trace that they belong to, and how
 * long anybody waits for their answer.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { currentSpan } from '../trace.ts'

export interface Cause {
  /** W3C trace context. Asked for only when something is called. */
  readonly traceparent: string | undefined
  /** When nobody waits any more, on the clock of `performance.now()`. */
  readonly deadlineAt?: number | undefined
  /** Aborts when whoever waits has gone. Asked for only when something is called. */
  readonly signal?: AbortSignal | undefined
}

const causes = new AsyncLocalStorage<Cause>()

/** Runs work, and all that it awaits, as caused by a request or a message. */
export function becauseOf<Result>(cause: Cause, work: () => Result): Result {
  return causes.run(cause, work)
}

/** What this is done for; undefined for what nobody asked for, such as timers. */
export function currentCause(): Cause | undefined {
  return causes.getStore()
}

/** The trace context that this is part of: of the span that it runs within, else of its cause. */
export function currentTraceparent(): string | undefined {
  return currentSpan()?.traceparent ?? causes.getStore()?.traceparent
}
