/** Fetching a JSON document that somebody publishes about themselves: bounded in time and size, and from nowhere else than asked. */
import { type HttpClient, type HttpClientOptions, openHttpClient } from '../http/http-client.ts'

const TIMEOUT_MS = 5000
const BYTES_MAX = 262_144
const IDLE_MS = 30_000
/** What a document may say of how long it can be believed, and what one is taken to say that says nothing. */
export const MAX_AGE_MS = { least: 60_000, most: 600_000 }

/** Without a value it is still the document of the `etag` that was asked with. */
export type Published<Value> = { value: Value | undefined; etag: string | undefined; maxAgeMs: number }

/** Of the integration that publishes documents, at `url` or wherever it says. What is published is kept, so nothing is asked for twice. */
export function openPublisher(options: {
  name: string
  service?: string | undefined
  url: () => string | undefined
  guard?: HttpClientOptions['guard'] | undefined
}): HttpClient {
  const { service, guard, ...of } = options
  const limits = { tries: 1, timeoutMs: TIMEOUT_MS, tryTimeoutMs: TIMEOUT_MS, bytesMax: BYTES_MAX, connections: 2 }
  return openHttpClient({
    ...of,
    ...(service ? { service } : {}),
    ...(guard ? { guard } : {}),
    ...limits,
    shared: true,
    idleMs: IDLE_MS
  })
}

/** The document at a URL as JSON. Throws when it cannot be had. A redirect is no answer: it would have somebody else believed. */
export async function fetchPublished(
  publisher: HttpClient,
  url: string,
  { etag, accept = 'application/json' }: { etag?: string | undefined; accept?: string } = {}
): Promise<Published<unknown>> {
  const { status, headers, body } = await publisher.call('GET', url, { headers: { accept, 'if-none-match': etag } })
  const stated = Number(/(?:^|[,\s])max-age=(\d{1,9})/i.exec(String(headers['cache-control'] ?? ''))?.[1] ?? 600) * 1000
  const maxAgeMs = Math.min(MAX_AGE_MS.most, Math.max(MAX_AGE_MS.least, stated))
  if (status === 304 && etag) return { value: undefined, etag, maxAgeMs }
  if (status !== 200) throw new Error(`it answered ${status}`)
  // Some publish JSON as text.
  const value: unknown = typeof body === 'string' ? JSON.parse(body) : body
  return { value: value ?? null, etag: typeof headers.etag === 'string' ? headers.etag : undefined, maxAgeMs }
}
