/**
 * Every call that we make over HTTP, and the only door to the HTTP client library. A client with a `name` is of an integration: what it
 * calls may be away, and whoever waits does not wait in vain. Deadline, retries within a budget, circuit breaker, bulkhead, figures, and a
 * row in GET /v1/integrations. One without a name is a tool's, with patience: it tries again while the service is away.
 */
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import { type Credentials, openAuthorization, requestToken, type SendForm, type Token } from '../identity/access-token.ts'
import type { GuardOptions } from '../resilience/resilience.ts'
import { connector } from './http-connector.ts'
import { boundsOf, exchanged, type HttpReply, wholeReply } from './http-exchange.ts'
import { openPatience, type SendTry } from './http-integration.ts'
import { retried } from './http-retries.ts'

export type { Credentials } from '../identity/access-token.ts'
export type { HttpReply } from './http-exchange.ts'
export { CallFailed } from './http-integration.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export type CallOptions = {
  /** Sent as JSON. */
  body?: unknown
  /** Sent as a form, in place of a body. */
  form?: Readonly<Record<string, string>>
  headers?: Readonly<Record<string, string | undefined>>
  /** The receiver takes what comes twice under it once. Without one, a POST or PATCH of an integration is never sent twice. */
  idempotencyKey?: string
  /** The call changes nothing, whatever its method: it may be sent twice. */
  repeatable?: boolean
  /** Ends the call, beside the deadline and the going away of whoever causes it. */
  signal?: AbortSignal
}

/** `bytes`, where it is known, is said before the file. */
export type FileToSend = { mediaType: string; chunks: AsyncIterable<Uint8Array>; bytes?: number; idempotencyKey?: string }

export interface HttpClient extends AsyncDisposable {
  /**
   * Sends one request to a path below the client's URL; `''` is the URL itself, and a whole address is where the integration has said that
   * something is: no token goes there. Redirects are answers like others. A client with a name
   * rejects with `CallFailed` when there is no answer, and gives up at the deadline of the request or message that causes the call.
   */
  call<Body>(method: Method, path: string, options?: CallOptions): Promise<HttpReply<Body>>
  /** Sends a file as it is read. Once: what was read cannot be sent again, but the same file may be, under the same key. */
  upload<Body>(path: string, file: FileToSend): Promise<HttpReply<Body>>
  /** Gets an answer as it comes. A status of 400 or more has its problem as the body. */
  download(path: string): Promise<HttpReply<AsyncIterable<Uint8Array>>>
}

export type HttpClientOptions = {
  /** An origin, or what all paths are below: `http://user:8080/v1`. A function is asked at each call; undefined: nobody knows yet. */
  url: string | (() => string | undefined)
  /** Of the integration, such as `user-service`. It is a label of metrics and shown to operators: no ids, no secrets. */
  name?: string
  /** Whose integration it is; without it all services of this process share it. */
  service?: string
  /** With these, it fetches and renews its own access token. A function is asked for each; it throws when there are none. */
  credentials?: Credentials | (() => Credentials)
  connections?: number
  tries?: number
  /** How long a call may take with all its tries, and how long a try. Of a client without a name, only the latter. */
  timeoutMs?: number
  tryTimeoutMs?: number
  /** Its answers are for others too, not only for whoever asks first: no one's deadline or going away ends a call. */
  shared?: boolean
  /** A larger answer is a failure. */
  bytesMax?: number
  /** What is asked, outside the version prefix of the URL, when it has not been called for a while: `/health/ready`. Else the URL itself. */
  probe?: string
  /** After how long without a call it is asked. */
  idleMs?: number
  guard?: Partial<GuardOptions>
}

const TOOL = { tries: 8, tryTimeoutMs: 30_000 }
const INTEGRATION = { tries: 3, timeoutMs: 5000, tryTimeoutMs: 2000, bytesMax: 1_048_576 }
const CONNECTIONS = 32

export function openHttpClient(options: HttpClientOptions): HttpClient {
  const given = options.name === undefined ? TOOL : INTEGRATION
  const { connections = CONNECTIONS, tries = given.tries, tryTimeoutMs = given.tryTimeoutMs, shared } = options
  const timeoutMs = options.name === undefined ? undefined : (options.timeoutMs ?? INTEGRATION.timeoutMs)
  const bytesMax = options.bytesMax ?? (options.name === undefined ? -1 : INTEGRATION.bytesMax)
  const agent = openAgent({ connections, tryTimeoutMs, bytesMax })
  const authorization = openAuthorization(options.credentials, sendingForms(agent))

  const urlOf = (path: string) => locate(options.url, path)

  function send(url: URL, sent: Sent, { resent, timeoutMs, signal }: Parameters<SendTry>[0]): Promise<HttpReply> {
    return exchanged({ method: sent.method, url, resent, timeoutMs }, async context => {
      const headers = { ...context, ...sent.headers }
      return wholeReply(
        await agent.request({ ...whereTo(url, sent.method), ...bodyOf(sent), headers, ...(signal ? { signal } : {}) })
      )
    })
  }

  const patience = openPatience({ ...options, tryTimeoutMs, connections }, () => {
    const url = addressOf(options.url)
    const sent: Sent = { method: 'GET', headers: {}, body: undefined }
    return url === undefined ? undefined : bounds => send(probedAt(new URL(url), options.probe), sent, bounds)
  })

  return {
    async call<Body>(method: Method, path: string, asked: CallOptions = {}) {
      // A tool's calls go to us, where every change takes a key.
      const key = asked.idempotencyKey ?? (options.name === undefined && method !== 'GET' ? randomUUID() : undefined)
      const sent = sendable(method, asked, key)
      const { deadlineAt, signals } = boundsOf({ signal: asked.signal, timeoutMs, shared })
      const repeatable =
        key !== undefined || asked.repeatable === true || method === 'GET' || method === 'PUT' || method === 'DELETE'
      const reply = await patience.call({ deadlineAt, signals }, signal =>
        retried({ tries, repeatable, deadlineAt, signal, mayRetry: patience.mayRetry, isFinal: patience.isFinal }, resent => {
          const url = urlOf(path)
          return patience.attempt({ resent, deadlineAt, signal }, bounds =>
            isWhole(path)
              ? send(url, sent, bounds)
              : authorization.send(header => send(url, { ...sent, headers: { ...header, ...sent.headers } }, bounds))
          )
        })
      )
      return reply as HttpReply<Body>
    },
    async upload<Body>(path: string, { mediaType, chunks, bytes, idempotencyKey = randomUUID() }: FileToSend) {
      const length = bytes === undefined ? {} : { 'content-length': String(bytes) }
      const headers = { ...(await authorization.header()), 'content-type': mediaType, 'idempotency-key': idempotencyKey, ...length }
      const body = Readable.from(chunks, { objectMode: false })
      const url = urlOf(path)
      return exchanged({ method: 'POST', url, resent: 0 }, async context =>
        wholeReply<Body>(await agent.request({ ...whereTo(url, 'POST'), headers: { ...context, ...headers }, body }))
      )
    },
    async download(path) {
      const url = urlOf(path)
      const header = await authorization.header()
      return exchanged({ method: 'GET', url, resent: 0 }, async context => {
        const reply = await agent.request({ ...whereTo(url, 'GET'), headers: { ...context, ...header } })
        return { status: reply.statusCode, headers: reply.headers, body: reply.body }
      })
    },
    async [Symbol.asyncDispose]() {
      patience[Symbol.dispose]()
      await agent.close()
    }
  }
}

/** Fetches an access token by client credentials. */
export async function fetchToken(credentials: Credentials): Promise<Token> {
  const agent = openAgent({ connections: 1, tryTimeoutMs: TOOL.tryTimeoutMs, bytesMax: INTEGRATION.bytesMax })
  try {
    return await requestToken(credentials, sendingForms(agent))
  } finally {
    await agent.close()
  }
}

const CONNECT_TIMEOUT_MS = 5000

function openAgent(options: { connections: number; tryTimeoutMs: number; bytesMax: number }): Agent {
  const { connections, tryTimeoutMs, bytesMax } = options
  const connect = connector(Math.min(tryTimeoutMs, CONNECT_TIMEOUT_MS))
  return new Agent({ connections, headersTimeout: tryTimeoutMs, bodyTimeout: tryTimeoutMs, maxResponseSize: bytesMax, connect })
}

const sendingForms =
  (agent: Agent): SendForm =>
  (url, form, headers) =>
    exchanged({ method: 'POST', url, resent: 0 }, async context => {
      const body = new URLSearchParams(form).toString()
      const type = { 'content-type': FORM }
      return wholeReply(await agent.request({ ...whereTo(url, 'POST'), headers: { ...context, ...headers, ...type }, body }))
    })

const FORM = 'application/x-www-form-urlencoded'

type Sent = { method: Method; headers: Record<string, string>; body: string | undefined }

function sendable(method: Method, { body, form, headers = {} }: CallOptions, key: string | undefined): Sent {
  const type = form ? { 'content-type': FORM } : body === undefined ? {} : { 'content-type': 'application/json' }
  const own = { ...type, ...(key === undefined ? {} : { 'idempotency-key': key }), ...headers }
  const given = Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const text = form ? new URLSearchParams(form).toString() : body === undefined ? undefined : JSON.stringify(body)
  return { method, headers: Object.fromEntries(given), body: text }
}

const bodyOf = ({ body }: Sent) => (body === undefined ? {} : { body })

function whereTo(url: URL, method: Method): Pick<Dispatcher.RequestOptions, 'origin' | 'path' | 'method'> {
  return { origin: url.origin, path: url.pathname + url.search, method }
}

/** Nobody knows yet where it is: its service has not started, or no setting says it. */
class AddressUnknown extends Error {}

const isWhole = (path: string) => /^https?:\/\//i.test(path)
const addressOf = (url: HttpClientOptions['url']) => (typeof url === 'string' ? url : url())

/** The address of a path below a URL, which keeps the path and the query that it has. */
function locate(url: HttpClientOptions['url'], path: string): URL {
  if (isWhole(path)) return new URL(path)
  const base = addressOf(url)
  if (base === undefined) throw new AddressUnknown()
  return path === '' ? new URL(base) : new URL(base.replace(/\/+$/, '') + path)
}

/** `http://user:8080/v1` and `/health/ready` → `http://user:8080/health/ready`. */
function probedAt(url: URL, probe: string | undefined): URL {
  return probe === undefined ? url : new URL(url.pathname.replace(/(\/v\d+)?\/?$/, '') + probe, url)
}
