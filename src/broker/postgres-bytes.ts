const BYTEA = 17
const TEXT = 25
const HEADER_BYTES = 20

/** A list of bodies as PostgreSQL takes it in its binary form: as text, each byte would be two characters and be parsed again. */
export const bytesList = (values: readonly Uint8Array[]): Buffer => list(BYTEA, values)

/** A list of texts likewise: nothing is escaped here and nothing parsed there. */
export const textList = (values: readonly string[]): Buffer =>
  list(
    TEXT,
    values.map(value => Buffer.from(value))
  )

function list(type: number, values: readonly Uint8Array[]): Buffer {
  const size = values.reduce((sum, value) => sum + 4 + value.length, HEADER_BYTES)
  const list = Buffer.allocUnsafe(size)
  // One dimension, no nulls, of what type; how many, from 1 on.
  let at = [values.length === 0 ? 0 : 1, 0, type, values.length, 1].reduce((at, word) => list.writeInt32BE(word, at), 0)
  for (const value of values) {
    at = list.writeInt32BE(value.length, at)
    list.set(value, at)
    at += value.length
  }
  return list.subarray(0, values.length === 0 ? 12 : size)
}
