/**
 * A published key set as it is kept: fetched when it is needed first, kept fresh from then on. While its publisher is away, or answers
 * with what is no key set, the last good one holds.
 */
import type { Log } from '../log.ts'
import type { Published } from './published-json.ts'
import { MAX_AGE_MS } from './published-json.ts'
import type { PublishedKey, PublishedKeys } from './published-keys.ts'

/** A set older than that is fetched again beside the work; older than its max-age, before it is believed. */
const REFRESH_MS = 60_000
/** After a fetch, a key that was not in the set is not asked for again for so long. */
const COOL_DOWN_MS = 30_000
const BACKOFF_MS = { first: 1000, most: 30_000 }

export type Found =
  | { kind: 'key'; key: PublishedKey }
  /** Not in the set as it is published now; ask again after a while. */
  | { kind: 'absent'; retryInMs: number }
  /** There is no set, and it cannot be fetched now. */
  | { kind: 'unavailable'; error: string; retryInMs: number }

export interface KeptKeys {
  /** The key, if the set at hand may be believed and has it. At once; what is getting old is fetched anew beside the work. */
  atHand(kid: string): PublishedKey | undefined
  find(kid: string): Promise<Found>
  /** How its publisher is doing, for people. */
  health(): KeysHealth
}

export type KeysHealth = {
  /** unknown: never needed. stale: the last good set holds. unavailable: there is none. */
  state: 'unknown' | 'ok' | 'stale' | 'unavailable'
  /** How long ago the set was last seen as it is. */
  ageMs?: number
  error?: string
}

export type KeptKeysOptions = {
  /** Whose keys these are, in words for the log. */
  of: string
  /** The set as it is published now; `before` is what is known of it. No `value`: it is still that of the `etag`. */
  fetch(etag: string | undefined, before: PublishedKeys | undefined): Promise<Published<PublishedKeys>>
  /** The set of before the restart. It counts as old, so that it is believed only while there is no newer one. */
  restore?(): Promise<PublishedKeys | undefined>
  /** How long the last good set holds while its publisher is away; without it, for ever. */
  staleMaxMs?: number
  /** How long after a fetch that missed no key an unknown one may cause another; without it as long as after any. */
  firstCoolDownMs?: number
  log: Log
  /** Monotonic, in milliseconds. */
  now?: (() => number) | undefined
}

type Known = { keys: PublishedKeys; etag: string | undefined; freshAt: number; maxAgeMs: number }

export function openKeptKeys(options: KeptKeysOptions): KeptKeys {
  const { of, log, now = () => performance.now() } = options
  const { staleMaxMs = Number.POSITIVE_INFINITY, firstCoolDownMs = COOL_DOWN_MS } = options
  let known: Known | undefined
  let fetching: Promise<void> | undefined
  let failures = 0
  let error = ''
  let askAgainAt = Number.NEGATIVE_INFINITY
  const restored = restore()

  async function restore(): Promise<void> {
    try {
      const keys = await options.restore?.()
      if (keys) known ??= { keys, etag: undefined, freshAt: Number.NEGATIVE_INFINITY, maxAgeMs: MAX_AGE_MS.most }
    } catch (error) {
      log.warn({ unit: 'key set', source: of, error: String(error) }, 'the last good key set cannot be read')
    }
  }

  /** One fetch at a time, whoever waits for it. Never rejects: what is known stays known. */
  function refresh(coolDownMs: number): Promise<void> {
    fetching ??= fetchOnce(coolDownMs).finally(() => {
      fetching = undefined
    })
    return fetching
  }

  async function fetchOnce(coolDownMs: number): Promise<void> {
    try {
      const { value: keys, etag, maxAgeMs } = await options.fetch(known?.etag, known?.keys)
      if (keys) known = { keys, etag, freshAt: now(), maxAgeMs }
      else if (known) known = { ...known, freshAt: now(), maxAgeMs }
      failures = 0
      askAgainAt = now() + coolDownMs
    } catch (cause) {
      failures++
      error = `the keys of ${of} cannot be fetched: ${reasonOf(cause)}`
      askAgainAt = now() + Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** Math.min(failures - 1, 10))
      log.warn({ unit: 'key set', source: of, failures, lastGood: known !== undefined, error }, 'a key set is away')
    }
  }

  const ageOf = () => (known ? now() - known.freshAt : Number.POSITIVE_INFINITY)
  const mayAsk = () => now() >= askAgainAt

  /** A publisher that was away is not waited for, lest one that hangs hold up everything. */
  function isBelievable(age: number): boolean {
    return known !== undefined && (age <= known.maxAgeMs || (failures > 0 && age <= staleMaxMs))
  }

  return {
    atHand(kid) {
      const age = ageOf()
      if (!isBelievable(age)) return undefined
      if (age > REFRESH_MS && mayAsk()) void refresh(firstCoolDownMs)
      return known?.keys.get(kid)
    },
    async find(kid) {
      await restored
      const age = ageOf()
      if (!isBelievable(age) && mayAsk()) await refresh(firstCoolDownMs)
      else if (age > REFRESH_MS && mayAsk()) void refresh(firstCoolDownMs)
      if (!known?.keys.has(kid) && (fetching || mayAsk())) await refresh(COOL_DOWN_MS)
      const believed = isBelievable(ageOf()) ? known : undefined
      const key = believed?.keys.get(kid)
      if (key) return { kind: 'key', key }
      const retryInMs = Math.max(BACKOFF_MS.first, askAgainAt - now())
      // While its publisher is away nobody knows what the set holds now.
      return believed && failures === 0 ? { kind: 'absent', retryInMs } : { kind: 'unavailable', error, retryInMs }
    },
    health() {
      const age = ageOf()
      const state = isBelievable(age) ? (failures > 0 ? 'stale' : 'ok') : failures > 0 ? 'unavailable' : 'unknown'
      return { state, ...(Number.isFinite(age) ? { ageMs: age } : {}), ...(failures > 0 ? { error } : {}) }
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
