/**
 * How we POST to addresses that strangers typed in. Whom a name leads to is asked once for each connection, and what was checked is what is
 * connected; nothing that is not public is, whatever a name server, a redirect or a proxy says. What comes back is read within bounds.
 */
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import { isPublic } from './addresses.ts'
import { destinationOf, type EgressRules } from './destination.ts'
import { openNameServers, type Resolve, resolveBySystem } from './resolve.ts'

/** `truncated`: the body went on beyond what was read, or broke off. */
export type EgressReply = {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
  truncated: boolean
}

/** Why nothing was answered. */
export type EgressFailure = 'refused-address' | 'unresolved' | 'unreachable' | 'tls' | 'timeout' | 'malformed-answer'

const WORDS: Readonly<Record<EgressFailure, string>> = {
  'refused-address': 'the address does not lead to the public Internet',
  unresolved: 'the name of the host has no address',
  unreachable: 'the host could not be reached, or broke off the connection before it answered',
  tls: 'no TLS connection came about with a certificate that a known authority has issued for this host',
  timeout: 'the host did not answer in time',
  'malformed-answer': 'what the host sent is not an HTTP answer'
}

/** Its message may be shown to whoever registered the address: it has no internal address, and nothing that a target said. */
export class EgressFailed extends Error {
  readonly failure: EgressFailure

  constructor(failure: EgressFailure, message: string = WORDS[failure]) {
    super(message)
    this.name = 'EgressFailed'
    this.failure = failure
  }
}

export type Sent = {
  headers: Record<string, string>
  body: string
  /** For everything together: finding the host, connecting, sending, and reading the answer. */
  timeoutMs: number
  signal?: AbortSignal
  /** Whose it is: only posts of one sender to one origin share connections, and wait for one another. */
  sender?: string
}

export interface Egress extends AsyncDisposable {
  /**
   * Posts once. Resolves with whatever status was answered, redirects included, even when the body then breaks off or outlasts the deadline;
   * rejects with `EgressFailed` when there is no status, with the signal's reason when that ends it before, and with other errors when the
   * request is none (such as a header with a line feed) or the egress is closed.
   */
  post(url: string, sent: Sent): Promise<EgressReply>
}

export type EgressOptions = {
  rules: EgressRules
  /** Of one sender to one origin; more posts wait for one another. */
  connections?: number
  /** In place of name servers. */
  resolve?: Resolve
}

const CONNECTIONS = 50
const BODY_BYTES_MAX = 65_536

export function openEgress({
  rules,
  connections = CONNECTIONS,
  resolve = rules.allowPrivate ? resolveBySystem : openNameServers()
}: EgressOptions): Egress {
  const origins = openOrigins(connections, guardedConnector(rules.allowPrivate ? () => true : isPublic, resolve))
  return {
    async post(address, { headers, body, timeoutMs, signal, sender = '' }) {
      // Rules may be stricter now than when the address was registered.
      const destination = destinationOf(address, rules)
      if ('fault' in destination) throw new EgressFailed('refused-address', `the address ${destination.fault}`)
      const { origin, pathname, search } = destination.url
      const name = `${sender} ${origin}`
      const pool = origins.enter(name, origin)
      const deadline = new AbortController()
      const timer = setTimeout(() => deadline.abort(new EgressFailed('timeout')), timeoutMs)
      const bounds = AbortSignal.any(signal ? [deadline.signal, signal] : [deadline.signal])
      try {
        const reply = await pool.request({ method: 'POST', path: pathname + search, headers, body, signal: bounds })
        return { status: reply.statusCode, headers: reply.headers, ...(await readBounded(reply.body)) }
      } catch (error) {
        throw toFailed(error)
      } finally {
        clearTimeout(timer)
        origins.leave(name)
      }
    },
    [Symbol.asyncDispose]: origins.destroy
  }
}

/** As it came, never unpacked. What ends the reading early, ends the connection. */
async function readBounded(chunks: AsyncIterable<Buffer>): Promise<{ body: string; truncated: boolean }> {
  const read: Buffer[] = []
  let bytes = 0
  let truncated = false
  try {
    for await (const chunk of chunks) {
      read.push(chunk)
      bytes += chunk.length
      truncated = bytes > BODY_BYTES_MAX
      if (truncated) break
    }
  } catch {
    // It has answered, though it breaks off here or the time is over.
    truncated = true
  }
  return { body: Buffer.concat(read).subarray(0, BODY_BYTES_MAX).toString('utf8'), truncated }
}

const CONNECT_TIMEOUT_MS = 5000

/** Connects only where it may: a literal host is checked here, a name's addresses when they are known, and who is there at the end. */
function guardedConnector(mayConnect: (address: string) => boolean, resolve: Resolve): buildConnector.connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: CONNECT_TIMEOUT_MS,
    rejectUnauthorized: true,
    // Who resumes a session is not asked for a certificate again.
    maxCachedSessions: 0,
    lookup: guardedLookup(mayConnect, resolve)
  })
  return (to, done) => {
    if (isIP(to.hostname) !== 0 && !mayConnect(to.hostname)) {
      return queueMicrotask(() => done(new EgressFailed('refused-address'), null))
    }
    let connected = false
    let refused: EgressFailed | undefined
    const settle: buildConnector.Callback = (error, socket) => {
      if (refused) done(refused, null)
      else if (error) done(connected && !isTimeout(error) ? tlsFailed(error) : error, null)
      else done(null, socket)
    }
    const socket = connect(to, settle) as unknown as Socket
    // Before anything else that waits for it: no greeting goes out to whom we refuse.
    socket.prependOnceListener('connect', () => {
      connected = true
      if (mayConnect(socket.remoteAddress ?? '')) return
      refused = new EgressFailed('refused-address')
      socket.destroy(refused)
    })
    // Only with the socket can a connection that nobody waits for any longer be given up.
    return socket
  }
}

/** All addresses of a name or none: one that is not public among them is no accident. */
function guardedLookup(mayConnect: (address: string) => boolean, resolve: Resolve): LookupFunction {
  return (hostname, { all }, done) => {
    resolve(hostname).then(
      found => {
        const addresses = found.map(({ address, family }) => ({ address, family }))
        const [first] = addresses
        if (!first) done(new EgressFailed('unresolved'), '')
        else if (!addresses.every(({ address }) => mayConnect(address))) done(new EgressFailed('refused-address'), '')
        else if (all) done(null, addresses)
        else done(null, first.address, first.family)
      },
      () => done(new EgressFailed('unresolved'), '')
    )
  }
}

const KEEP_ALIVE_MS = 4000
const IDLE_ORIGINS_MAX = 100
const HEADER_BYTES_MAX = 16_384

type Origin = { pool: Pool; underWay: number }

/** Connections by origin. Those in use are as many as are asked for; of those that only wait for another post, the oldest go. */
function openOrigins(connections: number, connect: buildConnector.connector) {
  const origins = new Map<string, Origin>()
  /** In the order in which they fell idle. */
  const idle = new Set<string>()
  const timeouts = { keepAliveTimeout: KEEP_ALIVE_MS, keepAliveMaxTimeout: KEEP_ALIVE_MS, headersTimeout: 0, bodyTimeout: 0 }

  function open(name: string, url: string): Origin {
    const pool = new Pool(url, { connections, connect, allowH2: false, maxHeaderSize: HEADER_BYTES_MAX, ...timeouts })
    pool.on('disconnect', () => {
      if (origins.get(name)?.pool === pool && idle.has(name) && pool.stats.connected === 0) drop(name, pool)
    })
    const origin = { pool, underWay: 0 }
    origins.set(name, origin)
    return origin
  }

  function drop(name: string, pool: Pool): void {
    origins.delete(name)
    idle.delete(name)
    void pool.destroy()
  }

  let closed = false
  return {
    enter(name: string, url: string): Pool {
      if (closed) throw new Error('The egress is closed')
      const origin = origins.get(name) ?? open(name, url)
      origin.underWay++
      idle.delete(name)
      return origin.pool
    },
    leave(name: string): void {
      const origin = origins.get(name)
      if (!origin || --origin.underWay > 0) return
      idle.add(name)
      const [oldest] = idle
      if (origin.pool.stats.connected === 0) drop(name, origin.pool)
      else if (idle.size > IDLE_ORIGINS_MAX && oldest !== undefined) drop(oldest, origins.get(oldest)!.pool)
    },
    async destroy(): Promise<void> {
      closed = true
      await Promise.all(Array.from(origins.values(), ({ pool }) => pool.destroy()))
    }
  }
}

const codeOf = (error: unknown) => String((error as { code?: unknown } | null)?.code ?? '')
const isTimeout = (error: unknown) => /^(ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/.test(codeOf(error))

/** What else went wrong is ours, and is not told as the receiver's. */
function toFailed(error: unknown): unknown {
  const code = codeOf(error)
  if (isTimeout(error)) return new EgressFailed('timeout')
  if (/^(ERR_SSL|ERR_TLS|EPROTO$)/.test(code)) return tlsFailed(error)
  // The parser's errors have no code, and that of a closed connection is the same as that of an answer out of turn.
  const { name, message } = error as Error
  const isMalformed = name === 'HTTPParserError' || /^bad (response|upgrade)$/.test(message)
  if (isMalformed || /^UND_ERR_(HEADERS_OVERFLOW|RES_)/.test(code)) return new EgressFailed('malformed-answer')
  return /^(E[A-Z]+|UND_ERR_SOCKET|UND_ERR_INFO)$/.test(code) ? new EgressFailed('unreachable') : error
}

const TLS_WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the certificate of the host has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate of the host is for another name'
}

function tlsFailed(error: unknown): EgressFailed {
  return new EgressFailed('tls', TLS_WORDS[codeOf(error)])
}
