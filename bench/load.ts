/**
 * Load over HTTP: callers that ask again as soon as they are answered, each on a connection of its own. Written for this, because the
 * generator shares the machine's cores with what it measures: a general one takes more of them than a static route does.
 */
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { openReplies, type Reply } from './replies.ts'

/** A request: `{id}` is the next of `ids`, `{uuid}` another one each time, in path, headers and body. */
export type Target = {
  url: string
  method?: string
  headers?: Readonly<Record<string, string>>
  body?: unknown
  ids?: readonly string[]
}

export type Load = {
  connections: number
  /** How long, or until each of `ids` was asked for once. */
  seconds: number
  once?: boolean
  /** Gets the body of each reply that is not a failure. */
  onBody?: (body: string) => void
}

export type Shot = { requests: number; seconds: number; p50: number; p99: number; failed: number; firstFailure?: string }

const GIVE_UP_AFTER_MS = 30_000

export async function load(target: Target, { connections, seconds, once = false, onBody }: Load): Promise<Shot> {
  const { hostname, port } = new URL(target.url)
  const requests = requestsOf(target, once)
  const latencies: number[] = []
  const failures: string[] = []
  const started = performance.now()
  const until = started + seconds * 1000
  let lastAt = started

  function answered(reply: Reply, sentAt: number): void {
    const now = performance.now()
    if (reply.status < 200 || reply.status > 299) return void failures.push(`${reply.status} ${reply.body.slice(0, 300)}`)
    onBody?.(reply.body)
    if (now > until) return
    latencies.push(now - sentAt)
    lastAt = now
  }

  const caller = () =>
    new Promise<void>(resolve => {
      const read = openReplies(status => onBody !== undefined || status > 299)
      const socket = connect({ host: hostname, port: Number(port), noDelay: true })
      let sentAt = 0
      const ask = () => {
        const request = performance.now() < until ? requests() : undefined
        if (request === undefined) return void socket.end()
        sentAt = performance.now()
        socket.write(request)
      }
      socket.on('connect', ask)
      socket.on('data', chunk => {
        const reply = read(chunk)
        if (!reply) return
        answered(reply, sentAt)
        ask()
      })
      socket.setTimeout(GIVE_UP_AFTER_MS, () => socket.destroy(new Error('no answer')))
      socket.on('error', error => failures.push(error.message))
      socket.on('close', () => resolve())
    })

  await Promise.all(Array.from({ length: connections }, caller))
  latencies.sort((a, b) => a - b)
  const quantile = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN
  return {
    requests: latencies.length,
    seconds: once ? (lastAt - started) / 1000 : seconds,
    p50: quantile(0.5),
    p99: quantile(0.99),
    failed: failures.length,
    ...(failures[0] !== undefined && { firstFailure: failures[0] })
  }
}

/** Gives the next request as it goes over the wire; nothing when each id had its turn and `once` is all. */
function requestsOf({ url, method, headers = {}, body, ids = [] }: Target, once: boolean): () => string | Buffer | undefined {
  const { host, pathname, search } = new URL(url)
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const path =
    decodeURI(pathname).replaceAll('%7B', '{').replaceAll('%7D', '}') + search.replaceAll('%7B', '{').replaceAll('%7D', '}')
  const all = { host, ...(text !== undefined && { 'content-type': 'application/json' }), ...headers }
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${method ?? (text === undefined ? 'GET' : 'POST')} ${path} HTTP/1.1\r\n${fields.join('')}`
  const whole = (id: string) => {
    const sent = text === undefined ? '' : fillText(id)
    return `${fillHead(id)}${text === undefined ? '' : `content-length: ${Buffer.byteLength(sent)}\r\n`}\r\n${sent}`
  }
  const [fillHead, fillText] = [filling(head), filling(text ?? '')]
  if (!PLACEHOLDERS.test(head + (text ?? ''))) {
    const constant = Buffer.from(whole(''))
    return () => constant
  }
  let serial = 0
  return () => {
    if (once && serial >= ids.length) return undefined
    return whole(ids.length === 0 ? '' : ids[serial++ % ids.length]!)
  }
}

const PLACEHOLDERS = /(\{id\}|\{uuid\})/

function filling(template: string): (id: string) => string {
  const parts = template.split(PLACEHOLDERS)
  if (parts.length === 1) return () => template
  return id => {
    let filled = ''
    for (const part of parts) filled += part === '{id}' ? id : part === '{uuid}' ? randomUUID() : part
    return filled
  }
}
