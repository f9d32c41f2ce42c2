/** Asking again: when an answer or a failure is worth it, and when it is safe. With full jitter, and never past the deadline. */
import { setTimeout as delay } from 'node:timers/promises'
import type { HttpReply } from './http-exchange.ts'

export type Retrying = {
  tries: number
  /** The call may be sent twice: its method says so, or its key. */
  repeatable: boolean
  /** On the clock of `performance.now()`; infinite where nobody waits in vain. */
  deadlineAt: number
  signal: AbortSignal | undefined
  /** Whether there is a retry left to take; asked once for each. */
  mayRetry(): boolean
  /** Failures of which another try would say no more: the breaker is open, whoever asked has gone. */
  isFinal(error: unknown): boolean
}

const BACKOFF_MS = { first: 100, most: 2000 }
/** A neighbour that asks for more patience than that is answered for. */
const RETRY_AFTER_MAX_MS = 30_000

/** Sends until there is an answer worth having. The last answer, or the last failure, is the caller's. */
export async function retried<Reply extends HttpReply>(
  retrying: Retrying,
  send: (resent: number) => Promise<Reply>
): Promise<Reply> {
  for (let resent = 0; ; resent++) {
    let reply: Reply | undefined
    let failure: unknown
    try {
      reply = await send(resent)
      if (!isTransient(reply)) return reply
    } catch (error) {
      failure = error
    }
    const pauseMs = pauseBefore(resent + 1, reply)
    if (pauseMs === undefined || !mayAgain(retrying, resent, pauseMs, failure)) {
      if (reply) return reply
      throw failure
    }
    await delay(pauseMs, undefined, retrying.signal ? { signal: retrying.signal } : {}).catch(() => {
      throw failure ?? retrying.signal?.reason
    })
  }
}

function mayAgain(retrying: Retrying, resent: number, pauseMs: number, failure: unknown): boolean {
  const { tries, repeatable, deadlineAt, signal, isFinal, mayRetry } = retrying
  if (!repeatable || resent + 1 >= tries || signal?.aborted || isFinal(failure)) return false
  return performance.now() + pauseMs < deadlineAt && mayRetry()
}

/** Undefined when the neighbour wants to be left alone for longer than anybody would wait. */
function pauseBefore(retry: number, reply: HttpReply | undefined): number | undefined {
  const jitter = Math.random() * Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** (retry - 1))
  const askedFor = Number(reply?.headers['retry-after'] ?? 0) * 1000
  if (askedFor > RETRY_AFTER_MAX_MS) return undefined
  return Math.max(jitter, askedFor || 0)
}

/** An answer that says "not now", including a request with the same key that is still being processed. */
function isTransient({ status, body }: HttpReply): boolean {
  if (status === 409) return (body as { code?: string } | undefined)?.code === 'idempotency-in-flight'
  return status === 429 || status === 502 || status === 503 || status === 504
}
