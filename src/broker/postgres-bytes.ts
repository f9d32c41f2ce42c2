const BYTEA = 17
const HEADER_BYTES = 20

/** A list of bodies as PostgreSQL takes it in its binary form: as text, each byte would be two characters and be parsed again. */
export function bytesList(bodies: readonly Uint8Array[]): Buffer {
  const size = bodies.reduce((sum, body) => sum + 4 + body.length, HEADER_BYTES)
  const list = Buffer.allocUnsafe(size)
  // One dimension, no nulls, of what type; how many, from 1 on.
  let at = [bodies.length === 0 ? 0 : 1, 0, BYTEA, bodies.length, 1].reduce((at, word) => list.writeInt32BE(word, at), 0)
  for (const body of bodies) {
    at = list.writeInt32BE(body.length, at)
    list.set(body, at)
    at += body.length
  }
  return list.subarray(0, bodies.length === 0 ? 12 : size)
}
