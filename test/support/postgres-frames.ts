/** PostgreSQL's messages to a client, cut from the stream: a letter, the length of what follows in four bytes, and that. */

const NOTIFICATION = 'A'.charCodeAt(0)
const HEADER_BYTES = 5

/**
 * Passes a server's side of a conversation on, whole messages at a time, and leaves out notifications when told to. For a connection that
 * has not asked for TLS.
 */
export function withoutNotifications(): (chunk: Buffer, leaveOut: boolean) => Buffer {
  let rest: Buffer = Buffer.alloc(0)
  let speaksPostgres: boolean | undefined
  return (chunk, leaveOut) => {
    // The first thing that a server says is about authentication, or an error.
    speaksPostgres ??= 'RE'.includes(String.fromCharCode(chunk[0]!))
    if (!speaksPostgres) return chunk
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const kept: Buffer[] = []
    let at = 0
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + 1 + bytes.readUInt32BE(at + 1)
      if (end > bytes.length) break
      if (!leaveOut || bytes[at] !== NOTIFICATION) kept.push(bytes.subarray(at, end))
      at = end
    }
    rest = bytes.subarray(at)
    return Buffer.concat(kept)
  }
}
