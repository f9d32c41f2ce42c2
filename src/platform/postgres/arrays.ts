/**
 * Lists as PostgreSQL takes them in its binary form, for statements that write many rows: nothing is escaped here, and nothing parsed there.
 * `$1::text[]` takes what `texts` gives, `$1::uuid[]` what `uuids` gives, and so on.
 */

/** A list of texts. */
export function texts(values: readonly (string | null)[]): Buffer {
  const list = new List(TEXT, values.length)
  for (const value of values) {
    if (value === null) list.addNull()
    else {
      const at = list.room(value.length * UTF8_BYTES_MAX)
      list.added(list.buffer.write(value, at))
    }
  }
  return list.end()
}

/** A list of ids, in lower case or not. */
export function uuids(values: readonly string[]): Buffer {
  const list = new List(UUID, values.length)
  for (const value of values) {
    const at = list.room(16)
    list.added(writeUuid(list.buffer, at, value))
  }
  return list.end()
}

/** A list of bigint; a number must be a safe integer. */
export function bigints(values: readonly (number | bigint | null)[]): Buffer {
  const list = new List(INT8, values.length)
  for (const value of values) {
    if (value === null) {
      list.addNull()
      continue
    }
    const at = list.room(8)
    if (typeof value === 'bigint') list.buffer.writeBigInt64BE(value, at)
    else {
      list.buffer.writeInt32BE(Math.floor(value / 2 ** 32), at)
      list.buffer.writeUInt32BE(value >>> 0, at + 4)
    }
    list.added(8)
  }
  return list.end()
}

/** A list of integer. */
export function integers(values: readonly number[]): Buffer {
  const list = new List(INT4, values.length)
  for (const value of values) {
    const at = list.room(4)
    list.buffer.writeInt32BE(value, at)
    list.added(4)
  }
  return list.end()
}

const TEXT = 25
const UUID = 2950
const INT8 = 20
const INT4 = 23

const UTF8_BYTES_MAX = 3
const HEADER_BYTES = 20

/** A list that grows: each value is its length and its bytes. */
class List {
  buffer: Buffer
  #at = HEADER_BYTES
  #nulls = 0
  readonly #type: number
  readonly #length: number

  constructor(type: number, length: number) {
    this.buffer = Buffer.allocUnsafe(HEADER_BYTES + length * 40)
    this.#type = type
    this.#length = length
  }

  /** Where the next value is to be written; there is room for so many bytes. */
  room(bytes: number): number {
    const at = this.#at + 4
    if (at + bytes > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, at + bytes))
      this.buffer.copy(larger, 0, 0, this.#at)
      this.buffer = larger
    }
    return at
  }

  /** So many bytes were written there. */
  added(bytes: number): void {
    this.buffer.writeInt32BE(bytes, this.#at)
    this.#at += 4 + bytes
  }

  addNull(): void {
    this.room(0)
    this.buffer.writeInt32BE(-1, this.#at)
    this.#at += 4
    this.#nulls = 1
  }

  end(): Buffer {
    // Dimensions, whether there are nulls, of what type; how many, from 1 on. An empty list has no dimension.
    this.buffer.writeInt32BE(this.#length === 0 ? 0 : 1, 0)
    this.buffer.writeInt32BE(this.#nulls, 4)
    this.buffer.writeInt32BE(this.#type, 8)
    this.buffer.writeInt32BE(this.#length, 12)
    this.buffer.writeInt32BE(1, 16)
    return this.buffer.subarray(0, this.#length === 0 ? 12 : this.#at)
  }
}

const DASH = 45
const NINE = 57

function writeUuid(buffer: Buffer, start: number, id: string): number {
  let at = start
  for (let i = 0; i < id.length; i++) {
    const first = id.charCodeAt(i)
    if (first === DASH) continue
    buffer[at++] = (digitOf(first) << 4) | digitOf(id.charCodeAt(++i))
  }
  return at - start
}

/** Of a hexadecimal digit. */
function digitOf(code: number): number {
  return code <= NINE ? code - 48 : (code | 32) - 87
}
