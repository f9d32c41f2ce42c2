/** Calls to an API over HTTP, and the only door to the HTTP client library: keep-alive, deadline, retries that are safe. */
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Dispatcher, Pool } from 'undici'
import { currentSpan, errorTypeOf, startSpan } from './trace.ts'

export type HttpReply<Body = unknown> = { status: number; headers: Record<string, string | string[] | undefined>; body: Body }

export type CallOptions = { body?: unknown; headers?: Record<string, string>; idempotencyKey?: string }

/** `bytes`, where it is known, is said before the file. */
export type FileToSend = { mediaType: string; chunks: AsyncIterable<Uint8Array>; bytes?: number; idempotencyKey?: string }

export interface HttpClient extends AsyncDisposable {
  /** Sends one request, retried while the service is away or overloaded; a POST carries an Idempotency-Key, so that this is safe. */
  call<Body>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, options?: CallOptions): Promise<HttpReply<Body>>
  /** Sends a file as it is read. Once: what was read cannot be sent again, but the same file may be, under the same key. */
  upload<Body>(path: string, file: FileToSend): Promise<HttpReply<Body>>
  /** Gets an answer as it comes. A status of 400 or more has its problem as the body. */
  download(path: string): Promise<HttpReply<AsyncIterable<Uint8Array>>>
}

export type Credentials = { tokenUrl: string; clientId: string; clientSecret: string }

const TIMEOUT_MS = 30_000
const TRIES = 8

/** Opens a client for one origin, `http://localhost:8080`. With credentials it fetches and renews its own access token. */
export function openHttpClient(options: {
  url: string
  credentials?: Credentials
  connections?: number
  tries?: number
}): HttpClient {
  const pool = new Pool(options.url, {
    connections: options.connections ?? 32,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS
  })
  const tries = options.tries ?? TRIES
  let token: { value: string; renewAt: number } | undefined

  async function authorization(): Promise<Record<string, string>> {
    if (!options.credentials) return {}
    if (!token || Date.now() > token.renewAt) token = await fetchToken(options.credentials)
    return { authorization: `Bearer ${token.value}` }
  }

  async function once<Body>(
    method: string,
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
    resent: number
  ): Promise<HttpReply<Body>> {
    const own = { ...(await authorization()), ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    return followed({ method, path, url: options.url, resent }, async context => {
      const sent = body === undefined ? {} : { body }
      return wholeReply<Body>(await pool.request({ method: method as 'GET', path, headers: { ...context, ...own }, ...sent }))
    })
  }

  return {
    async call(method, path, { body, headers = {}, idempotencyKey } = {}) {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const key = method === 'GET' ? {} : { 'idempotency-key': idempotencyKey ?? randomUUID() }
      for (let attempt = 1; ; attempt++) {
        try {
          const reply = await once<never>(method, path, text, { ...key, ...headers }, attempt - 1)
          if (!isTransient(reply) || attempt === tries) return reply
        } catch (error) {
          if (attempt === tries) throw error
        }
        await delay(Math.random() * Math.min(2000, 50 * 2 ** attempt))
      }
    },
    async upload<Body>(path: string, { mediaType, chunks, bytes, idempotencyKey = randomUUID() }: FileToSend) {
      const length = bytes === undefined ? {} : { 'content-length': String(bytes) }
      const headers = { ...(await authorization()), 'content-type': mediaType, 'idempotency-key': idempotencyKey, ...length }
      const body = Readable.from(chunks, { objectMode: false })
      return followed({ method: 'POST', path, url: options.url, resent: 0 }, async context =>
        wholeReply<Body>(await pool.request({ method: 'POST', path, headers: { ...context, ...headers }, body }))
      )
    },
    async download(path) {
      const reply = await pool.request({ method: 'GET', path, headers: await authorization() })
      return { status: reply.statusCode, headers: reply.headers, body: reply.body }
    },
    [Symbol.asyncDispose]: () => pool.close()
  }
}

type Sending = { method: string; path: string; url: string; resent: number }

/** Sends a request as a "client" span of what it is sent for, where that is one: the context to send along, the path without its query. */
async function followed<Body>(
  { method, path, url, resent }: Sending,
  send: (context: Record<string, string>) => Promise<HttpReply<Body>>
): Promise<HttpReply<Body>> {
  const cause = currentSpan()
  if (!cause || !startSpan) return send({})
  const { protocol, hostname, port } = new URL(url)
  const [pathname] = path.split('?')
  const span = startSpan(method, {
    service: cause.service,
    kind: 'client',
    parent: cause.traceparent,
    attributes: {
      'http.request.method': method,
      'server.address': hostname,
      'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
      'url.full': `${protocol}//${hostname}${port && `:${port}`}${pathname}`,
      'http.request.resend_count': resent || undefined
    }
  })
  try {
    const reply = await send({ traceparent: span.traceparent })
    span.set({ 'http.response.status_code': reply.status })
    if (reply.status >= 400) span.fail(String(reply.status))
    return reply
  } catch (error) {
    span.fail(errorTypeOf(error))
    throw error
  } finally {
    span.end()
  }
}

async function wholeReply<Body>({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<HttpReply<Body>> {
  const text = await body.text()
  return { status: statusCode, headers, body: (text === '' ? undefined : JSON.parse(text)) as Body }
}

/** An answer that says "not now", including a request with the same key that is still being processed. */
function isTransient({ status, body }: HttpReply): boolean {
  if (status === 409) return (body as { code?: string } | undefined)?.code === 'idempotency-in-flight'
  return status === 429 || status === 502 || status === 503 || status === 504
}

const RENEW_BEFORE_MS = 30_000

/** Fetches an access token by client credentials. */
export async function fetchToken({ tokenUrl, clientId, clientSecret }: Credentials): Promise<{ value: string; renewAt: number }> {
  const reply = await fetch(tokenUrl, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' })
  })
  if (!reply.ok) throw new Error(`${tokenUrl} answered ${reply.status}: no token for ${clientId}`)
  const { access_token, expires_in } = (await reply.json()) as { access_token: string; expires_in: number }
  return { value: access_token, renewAt: Date.now() + expires_in * 1000 - RENEW_BEFORE_MS }
}
