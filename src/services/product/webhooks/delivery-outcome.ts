/** What follows from the end of a try: arithmetic. */

export type Answer = { status: number; retryAfterMs?: number | undefined } | { failure: string }

export type Outcome = {
  status: 'delivered' | 'pending' | 'failed'
  /** Of what is pending: when it is tried next. */
  inMs: number
  /** The receiver wants no more of it, ever. */
  isGone: boolean
  /** The receiver wants to be left alone for so long. */
  restMs: number
  error: string | null
}

const DAY_MS = 86_400_000
/** What asks for patience, beside 429. */
const busy: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * `tries` are those of the schedule, with this one; after as many delays it is given up. `chance` is from 0 to 1: a try is up to a tenth
 * later than its delay, so that what failed at once is not tried at once.
 */
export function outcomeOf(answer: Answer, tries: number, delaysMs: readonly number[], chance: number): Outcome {
  const status = 'status' in answer ? answer.status : 0
  if (status >= 200 && status < 300) return { status: 'delivered', inMs: 0, isGone: false, restMs: 0, error: null }
  const error = 'failure' in answer ? answer.failure : `answered ${status}`
  const restMs = 'status' in answer && busy.has(status) ? Math.min(DAY_MS, Math.max(0, answer.retryAfterMs ?? 0)) : 0
  const delayMs = delaysMs[tries - 1]
  if (delayMs === undefined) return { status: 'failed', inMs: 0, isGone: status === 410, restMs, error }
  return {
    status: 'pending',
    inMs: Math.max(Math.round(delayMs * (1 + chance / 10)), restMs),
    isGone: status === 410,
    restMs,
    error
  }
}

/** `Retry-After` (RFC 9110 §10.2.3) in milliseconds: seconds, or a date. */
export function retryAfterMs(header: string | string[] | undefined, now: number): number | undefined {
  const text = [header].flat()[0]?.trim()
  if (!text) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const at = /^[A-Z][a-z]+, /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
