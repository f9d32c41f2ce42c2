/** Calling a neighbour that may be away: its guard, its figures, and what is known of how it is doing. Of a tool's client, none of that. */
import { NoToken } from '../identity/access-token.ts'
import { openEvidence, watchIntegration } from '../resilience/integrations.ts'
import { type GuardOptions, guardDefaults, openGuard, Refused } from '../resilience/resilience.ts'
import { errorTypeOf } from '../trace.ts'
import { type Outcome, openCallFigures } from './http-client-figures.ts'
import type { HttpReply } from './http-exchange.ts'

export type FailureReason = Exclude<Outcome, 'answered' | 'failed'>

/** A call that has no answer, and why in a word. Its message names the integration, never an address. */
export class CallFailed extends Error {
  readonly reason: FailureReason
  /** Of the error beneath, where that has one: `ECONNREFUSED`. */
  readonly code: string | undefined
  constructor(name: string, reason: FailureReason, cause?: unknown) {
    const detail = cause === undefined ? '' : ` (${errorTypeOf(cause)})`
    super(`${name} was not reached: ${reason}${detail}`, { cause })
    this.name = 'CallFailed'
    this.reason = reason
    const { code } = (cause ?? {}) as { code?: unknown }
    this.code = typeof code === 'string' ? code : undefined
  }
}

/** `deadlineAt` on the clock of `performance.now()`. */
type Waiting = { deadlineAt: number; signal: AbortSignal | undefined }

export type SendTry = (bounds: { resent: number; timeoutMs?: number; signal: AbortSignal | undefined }) => Promise<HttpReply>

export interface Patience extends Disposable {
  /** Runs a call with all its tries. */
  call(
    bounds: { deadlineAt: number; signals: readonly AbortSignal[] },
    work: (signal: AbortSignal | undefined) => Promise<HttpReply>
  ): Promise<HttpReply>
  attempt(waiting: Waiting & { resent: number }, send: SendTry): Promise<HttpReply>
  mayRetry(): boolean
  isFinal(failure: unknown): boolean
}

export type PatienceOptions = {
  name?: string | undefined
  service?: string | undefined
  tryTimeoutMs: number
  connections: number
  idleMs?: number | undefined
  guard?: Partial<GuardOptions>
}

/** `probe` sends what tells whether it is there; none while nobody knows where it is. */
export function openPatience(options: PatienceOptions, probe: () => SendTry | undefined): Patience {
  return options.name === undefined ? ofTool : ofIntegration({ ...options, name: options.name }, probe)
}

const ofTool: Patience = {
  call: ({ signals }, work) => work(signals.length > 0 ? AbortSignal.any([...signals]) : undefined),
  attempt: ({ resent, signal }, send) => send({ resent, signal }),
  mayRetry: () => true,
  isFinal: () => false,
  [Symbol.dispose]() {}
}

function ofIntegration(options: PatienceOptions & { name: string }, probe: () => SendTry | undefined): Patience {
  const { name, service, tryTimeoutMs, connections } = options
  const guard = openGuard({ ...guardDefaults, concurrency: connections, queue: 2 * connections, ...options.guard })
  const figures = openCallFigures({ name, service, breaker: () => guard.breaker })
  const evidence = openEvidence()

  async function sendOnce({ resent, deadlineAt, signal }: Waiting & { resent: number }, send: SendTry): Promise<HttpReply> {
    const started = performance.now()
    const timeoutMs = Math.max(0, Math.min(tryTimeoutMs, deadlineAt - started))
    const late = AbortSignal.timeout(Math.ceil(timeoutMs))
    try {
      const reply = await send({ resent, timeoutMs, signal: signal ? AbortSignal.any([signal, late]) : late })
      const outcome = reply.status >= 500 ? 'failed' : 'answered'
      figures.tried(outcome, performance.now() - started)
      if (outcome === 'failed') evidence.failed(`answered ${reply.status}`)
      else evidence.succeeded()
      return reply
    } catch (error) {
      const reason = late.aborted || isTimeout(error) ? 'timeout' : signal?.aborted ? 'cancelled' : 'unreachable'
      figures.tried(reason, performance.now() - started)
      // Who was waited for less than it may take has done nothing wrong.
      const blameless = reason === 'cancelled' || (reason === 'timeout' && timeoutMs < tryTimeoutMs)
      if (!blameless) evidence.failed(inWords(reason, error, tryTimeoutMs))
      throw Object.assign(new CallFailed(name, reason, error), { blameless })
    }
  }

  const counts = {
    failed: (reply: HttpReply) => reply.status >= 500,
    tellsNothing: (error: unknown) => (error as { blameless?: boolean }).blameless === true
  }

  async function attempt(waiting: Waiting & { resent: number }, send: SendTry): Promise<HttpReply> {
    try {
      return await guard.run(() => sendOnce(waiting, send), counts, waiting.signal)
    } catch (error) {
      throw error instanceof Refused ? new CallFailed(name, error.refusal) : error
    }
  }

  const watching = watchIntegration({
    name,
    kind: 'http',
    service,
    idleMs: options.idleMs,
    breaker: () => guard.breaker,
    evidence,
    async look() {
      const deadlineAt = performance.now() + tryTimeoutMs
      const send = probe()
      // What it finds is kept as evidence.
      if (send) await attempt({ resent: 0, deadlineAt, signal: undefined }, send).catch(() => {})
    }
  })

  return {
    async call({ deadlineAt, signals }, work) {
      guard.called()
      const late = AbortSignal.timeout(Math.max(0, Math.ceil(deadlineAt - performance.now())))
      const signal = AbortSignal.any([late, ...signals])
      try {
        const reply = await untilAborted(work(signal), signal)
        figures.called(reply.status >= 500 ? 'failed' : 'answered')
        return reply
      } catch (error) {
        const failure = signal.aborted
          ? new CallFailed(name, late.aborted ? 'timeout' : 'cancelled', error)
          : asFailure(name, error)
        figures.called(failure.reason)
        throw failure
      }
    },
    attempt,
    mayRetry() {
      const may = guard.takeRetry()
      figures.retried(may ? 'sent' : 'refused')
      return may
    },
    isFinal: failure =>
      failure !== undefined &&
      !(failure instanceof CallFailed && (failure.reason === 'timeout' || failure.reason === 'unreachable')),
    [Symbol.dispose]() {
      watching[Symbol.dispose]()
      figures[Symbol.dispose]()
    }
  }
}

function inWords(reason: FailureReason, error: unknown, tryTimeoutMs: number): string {
  if (error instanceof NoToken) return `no access token of ours (${errorTypeOf(error)})`
  return reason === 'timeout' ? `no answer within ${tryTimeoutMs} ms` : `${reason} (${errorTypeOf(error)})`
}

/** The library's own limits of time, which are those of a try. */
const isTimeout = (error: unknown) => /_TIMEOUT$/.test(String((error as { code?: string }).code))

const asFailure = (name: string, error: unknown) =>
  error instanceof CallFailed ? error : new CallFailed(name, 'unconfigured', error)

/** The work's end, or the signal's reason when that is sooner: what waits in a queue does not hear of it. */
async function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
