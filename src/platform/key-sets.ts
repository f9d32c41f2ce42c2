/**
 * The published keys of those who sign events. Each set is fetched when it is needed first and kept fresh from then on; while its
 * publisher is away the last good one holds, also over a restart.
 */
import type { Queryable } from './database.ts'
import type { Log } from './log.ts'
import { type CryptoKey, fetchKeySet, importKeys, type JSONWebKeySet, MAX_AGE_MS } from './published-keys.ts'

/** A set older than that is fetched again beside the work; older than its max-age, before it is believed. */
const REFRESH_MS = 60_000
/** After a fetch, a key that was not in the set is not asked for again for so long. */
const COOL_DOWN_MS = 30_000
const BACKOFF_MS = { first: 1000, most: 30_000 }

export type KeySetSource = {
  /** Of the events: `/order-service`. */
  source: string
  /** Where it was configured to be; empty where that follows from the address of the service, which may change with every start. */
  configured: string
  /** Asked each time: in one process, services start one after another. */
  url: () => string | undefined
}

export type Found =
  | { kind: 'key'; key: CryptoKey }
  /** Not in the set as it is published now; ask again after a while. */
  | { kind: 'absent'; retryInMs: number }
  /** There is no set, and it cannot be fetched now. */
  | { kind: 'unavailable'; error: string; retryInMs: number }

export interface KeySet {
  find(kid: string): Promise<Found>
}

type Known = { keys: ReadonlyMap<string, CryptoKey>; etag: string | undefined; freshAt: number; maxAgeMs: number }

/** `now` is monotonic, in milliseconds. */
export function openKeySet(options: { of: KeySetSource; database: Queryable; log: Log; now?: () => number }): KeySet {
  const { of, database, log, now = () => performance.now() } = options
  let known: Known | undefined
  let fetching: Promise<void> | undefined
  let failures = 0
  let error = ''
  let askAgainAt = Number.NEGATIVE_INFINITY
  const restored = restore()

  /** The set of before the restart. It counts as old, so that it is believed only while there is no newer one. */
  async function restore(): Promise<void> {
    try {
      const [row] = await database.query<{ key_set: JSONWebKeySet }>(
        'select key_set from trusted_key_sets where source = $1 and configured = $2',
        [of.source, of.configured]
      )
      const freshAt = Number.NEGATIVE_INFINITY
      if (row) known ??= { keys: await importKeys(row.key_set), etag: undefined, freshAt, maxAgeMs: MAX_AGE_MS.most }
    } catch (error) {
      log.warn({ unit: 'key set', source: of.source, error: String(error) }, 'the last good key set cannot be read')
    }
  }

  /** One fetch at a time, whoever waits for it. Never rejects: what is known stays known. */
  function refresh(): Promise<void> {
    fetching ??= fetchOnce().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  async function fetchOnce(): Promise<void> {
    const url = of.url()
    try {
      if (url === undefined) throw new Error('its address is not known: see EVENT_SOURCES')
      const fetched = await fetchKeySet(url, known?.etag)
      if (fetched.keySet) {
        known = { keys: await importKeys(fetched.keySet), etag: fetched.etag, freshAt: now(), maxAgeMs: fetched.maxAgeMs }
        await store(fetched.keySet)
      } else if (known) known = { ...known, freshAt: now(), maxAgeMs: fetched.maxAgeMs }
      failures = 0
      askAgainAt = now() + COOL_DOWN_MS
    } catch (cause) {
      failures++
      error = `the keys of ${of.source} cannot be fetched${url ? ` from ${url}` : ''}: ${reasonOf(cause)}`
      askAgainAt = now() + Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** (failures - 1))
      log.warn({ unit: 'key set', source: of.source, failures, lastGood: known !== undefined, error }, 'a key set is away')
    }
  }

  async function store(keySet: JSONWebKeySet): Promise<void> {
    await database
      .query(
        `insert into trusted_key_sets (source, configured, key_set, fetched_at) values ($1, $2, $3, now())
         on conflict (source) do update set configured = $2, key_set = $3, fetched_at = now()`,
        [of.source, of.configured, JSON.stringify(keySet)]
      )
      .catch(error => log.warn({ unit: 'key set', source: of.source, error: String(error) }, 'a key set is not kept'))
  }

  return {
    async find(kid) {
      await restored
      const mayAsk = () => now() >= askAgainAt
      const age = known ? now() - known.freshAt : Number.POSITIVE_INFINITY
      // A publisher that was away is not waited for, lest one that hangs hold up everything.
      const believable = known && (age <= known.maxAgeMs || failures > 0)
      if (!believable && mayAsk()) await refresh()
      else if (age > REFRESH_MS && mayAsk()) void refresh()
      if (!known?.keys.has(kid) && (fetching || mayAsk())) await refresh()
      const key = known?.keys.get(kid)
      if (key) return { kind: 'key', key }
      const retryInMs = Math.max(BACKOFF_MS.first, askAgainAt - now())
      // While its publisher is away nobody knows what the set holds now.
      return known && failures === 0 ? { kind: 'absent', retryInMs } : { kind: 'unavailable', error, retryInMs }
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
