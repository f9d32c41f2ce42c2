/** HTTP written by hand, for requests that no client library would send. */
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Reply } from './service.ts'

const TIMEOUT_MS = 10_000

/**
 * Writes parts to one connection, and reads the replies: as many as asked for, or fewer when the connection ends before. The next part is
 * written when the kernel has taken the one before.
 */
export async function exchange(url: string, parts: string | Buffer | Iterable<string | Buffer>, replies = 1): Promise<Reply[]> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const received: Buffer[] = []
  const enough = Promise.withResolvers<void>()
  socket.on('error', () => {}) // A server that has refused may reset what is still being sent to it.
  socket.on('close', () => enough.resolve())
  socket.on('data', data => {
    received.push(data)
    if (parsed(Buffer.concat(received)).length >= replies) enough.resolve()
  })
  const timeout = new AbortController()
  try {
    const sending = write(socket, typeof parts === 'string' || Buffer.isBuffer(parts) ? [parts] : parts)
    const late = delay(TIMEOUT_MS, undefined, { signal: timeout.signal }).then(() => {
      throw new Error(`no reply within ${TIMEOUT_MS} ms; so far: ${Buffer.concat(received)}`)
    })
    await Promise.race([enough.promise, late])
    await Promise.race([sending, late.catch(() => {})])
  } finally {
    timeout.abort()
    socket.destroy()
  }
  return parsed(Buffer.concat(received))
}

async function write(socket: ReturnType<typeof connect>, parts: Iterable<string | Buffer>): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed) return
    await new Promise<void>(resolve => {
      socket.once('close', resolve)
      socket.write(part, () => {
        socket.off('close', resolve)
        resolve()
      })
    })
  }
}

/** The replies that are complete. */
function parsed(bytes: Buffer): Reply[] {
  const replies: Reply[] = []
  for (let rest = bytes; ; ) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return replies
    const [statusLine = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n')
    const headers = new Headers(
      lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as [string, string])
    )
    const body = bodyOf(rest.subarray(end + 4), headers)
    if (!body) return replies
    const text = body.bytes.toString()
    replies.push({
      status: Number(statusLine.split(' ')[1]),
      headers,
      body: headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
    })
    rest = rest.subarray(end + 4 + body.length)
  }
}

function bodyOf(bytes: Buffer, headers: Headers): { bytes: Buffer; length: number } | undefined {
  if (headers.get('transfer-encoding') !== 'chunked') {
    const length = Number(headers.get('content-length') ?? 0)
    return bytes.length < length ? undefined : { bytes: bytes.subarray(0, length), length }
  }
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString(), 16)
    const next = lineEnd + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { bytes: Buffer.concat(chunks), length: next }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = next
  }
}
