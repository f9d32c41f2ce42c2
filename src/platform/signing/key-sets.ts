/**
 * The published keys of those who sign events, kept over a restart as well: the last good set holds while its publisher is away, however
 * long that is.
 */

import type { HttpClientOptions } from '../http/http-client.ts'
import type { Log } from '../log.ts'
import type { Queryable } from '../postgres/database.ts'
import { openKeptKeys } from './kept-keys.ts'
import { openPublisher } from './published-json.ts'
import { type CryptoKey, fetchKeySet, importKeys, type KeySetText } from './published-keys.ts'

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

export interface KeySet extends AsyncDisposable {
  find(kid: string): Promise<Found>
}

/** `now` is monotonic, in milliseconds. */
export function openKeySet(options: {
  of: KeySetSource
  /** Whose consumers believe them. */
  service?: string | undefined
  /** When the breaker of its publisher opens; that goes by the clock of the process. */
  guard?: HttpClientOptions['guard']
  database: Queryable
  log: Log
  now?: () => number
}): KeySet {
  const { of, service, guard, database, log, now } = options
  const publisher = openPublisher({ name: `keys of ${of.source}`, service, url: of.url, guard })
  const keys = openKeptKeys({
    of: of.source,
    log,
    now,
    async restore() {
      const [row] = await database.query<{ key_set: KeySetText }>(
        'select key_set from trusted_key_sets where source = $1 and configured = $2',
        [of.source, of.configured]
      )
      return row && importKeys(row.key_set)
    },
    async fetch(etag, before) {
      const url = of.url()
      if (url === undefined) throw new Error('its address is not known: see EVENT_SOURCES')
      const { value, ...fetched } = await fetchKeySet(publisher, url, { etag, algorithms })
      if (!value) return { ...fetched, value: undefined }
      const keys = await importKeys(value, before)
      await store(value)
      return { ...fetched, value: keys }
    }
  })

  async function store(keySet: KeySetText): Promise<void> {
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
      const found = await keys.find(kid)
      return found.kind === 'key' ? { kind: 'key', key: found.key.key } : found
    },
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose]()
  }
}

/** Events are signed with Ed25519 and nothing else. */
const algorithms = ['EdDSA']
