/** Reads replies of HTTP/1.1 off a connection, one at a time and no more of them than a load generator needs. */

export type Reply = { status: number; bytes: number; body: string }

type Pending = { status: number; start: number; length: number | 'chunked' }

const HEAD_END = Buffer.from('\r\n\r\n')

/** Takes what comes off the wire; gives a reply when it is whole. `body` is read only where it is wanted. */
export function openReplies(wantsBody: (status: number) => boolean): (chunk: Buffer) => Reply | undefined {
  let bytes: Buffer | undefined
  let pending: Pending | undefined
  return chunk => {
    bytes = bytes ? Buffer.concat([bytes, chunk]) : chunk
    pending ??= headOf(bytes)
    if (!pending) return undefined
    const end = endOf(bytes, pending)
    if (end < 0) return undefined
    const { status, start } = pending
    const reply = { status, bytes: end, body: wantsBody(status) ? bytes.toString('utf8', start, end) : '' }
    bytes = end < bytes.length ? bytes.subarray(end) : undefined
    pending = undefined
    return reply
  }
}

function headOf(bytes: Buffer): Pending | undefined {
  const end = bytes.indexOf(HEAD_END)
  if (end < 0) return undefined
  const head = bytes.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const start = end + HEAD_END.length
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) return { status, start, length: Number(length) }
  return { status, start, length: /\r\ntransfer-encoding: *chunked/i.test(head) ? 'chunked' : 0 }
}

/** Where the reply ends, or -1 while some of it is missing. */
function endOf(bytes: Buffer, { start, length }: Pending): number {
  if (length !== 'chunked') return start + length <= bytes.length ? start + length : -1
  for (let at = start; ; ) {
    const line = bytes.indexOf('\r\n', at, 'latin1')
    if (line < 0) return -1
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    at = line + 2 + size + 2
    if (at > bytes.length) return -1
    if (size === 0) return at
  }
}
