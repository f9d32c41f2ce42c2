/**
 * Quotas: in any minute, nobody gets more than theirs. Counted per key in slices of a second, in this process only, for as many keys as fit;
 * what is forgotten for want of room is who was heard of longest ago. Said to clients as RateLimit header fields
 * (draft-ietf-httpapi-ratelimit-headers-10).
 */
import { LRUCache } from 'lru-cache'
import { Problem } from '#contracts/problems.ts'

export type RateLimitOptions = {
  /** The name of the policy, as clients read it: lower-case letters. */
  name: string
  /** How many in any minute. */
  quota: number
  keysMax?: number
  /** Milliseconds that only ever grow. */
  now?: () => number
}

export type Allowance = {
  allowed: boolean
  /** How many more there may be at once. */
  remaining: number
  /** Seconds until there may be one more than that: at least 1. */
  resetSeconds: number
}

export interface RateLimit {
  /** The value of the RateLimit-Policy field. */
  readonly policy: string
  /** Counts one, if there is one left. */
  take(key: string): Allowance
  /** What `take` would say, without counting. */
  look(key: string): Allowance
  /** The value of the RateLimit field. */
  field(allowance: Allowance): string
  /** The refusal of whoever has none left. */
  refusal(allowance: Allowance, detail: string): Problem
}

const WINDOW_SECONDS = 60
/** A second more than the window: the slice in which it began counts until it is over. */
const SLICES = WINDOW_SECONDS + 1
const KEYS_MAX = 20_000
const JITTER_SECONDS = 3

type Counted = { second: number; used: number; slices: number[] }

export function openRateLimit({ name, quota, keysMax = KEYS_MAX, now = () => performance.now() }: RateLimitOptions): RateLimit {
  const counted = new LRUCache<string, Counted>({ max: keysMax })

  function allowance(of: Counted, allowed: boolean): Allowance {
    return { allowed, remaining: Math.max(0, quota - of.used), resetSeconds: secondsUntilMore(of) }
  }

  function at(key: string): Counted {
    const second = Math.floor(now() / 1000)
    const known = counted.get(key)
    if (known) return movedTo(known, second)
    const fresh = { second, used: 0, slices: new Array<number>(SLICES).fill(0) }
    counted.set(key, fresh)
    return fresh
  }

  return {
    policy: `"${name}";q=${quota};w=${WINDOW_SECONDS}`,
    take(key) {
      const of = at(key)
      const allowed = of.used < quota
      if (allowed) {
        of.used++
        of.slices[of.second % SLICES]!++
      }
      return allowance(of, allowed)
    },
    look(key) {
      const of = counted.has(key) ? at(key) : undefined
      return of ? allowance(of, of.used < quota) : { allowed: quota > 0, remaining: quota, resetSeconds: 1 }
    },
    field: ({ remaining, resetSeconds }) => `"${name}";r=${remaining};t=${Math.min(resetSeconds, WINDOW_SECONDS)}`,
    refusal: ({ resetSeconds }, detail) =>
      new Problem('quota-exceeded', detail, {
        'violated-policies': [name],
        retryAfterSeconds: spread(resetSeconds)
      })
  }
}

/** That many seconds and up to two more: who was refused together is not to come back together. */
export function spread(seconds: number): number {
  return seconds + Math.floor(Math.random() * JITTER_SECONDS)
}

/** Forgets the slices that a minute has passed since. */
function movedTo(of: Counted, second: number): Counted {
  const passed = Math.min(second - of.second, SLICES)
  for (let each = 1; each <= passed; each++) {
    const slice = (of.second + each) % SLICES
    of.used -= of.slices[slice]!
    of.slices[slice] = 0
  }
  of.second = second
  return of
}

/** Until the oldest slice in which something was counted is forgotten. */
function secondsUntilMore({ second, used, slices }: Counted): number {
  if (used === 0) return 1
  let oldest = second - WINDOW_SECONDS
  while (slices[((oldest % SLICES) + SLICES) % SLICES] === 0) oldest++
  return oldest + SLICES - second
}
