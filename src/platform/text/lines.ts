/** Cuts a stream of bytes into records, whatever chunks it comes in, and never holds more than one record and one chunk. */
import { FileRefused, type Place } from './records.ts'

/** Where a record ends: how many of the bytes are its own, and what there is to say of it. */
export type Ending<Note> = { length: number; note: Note }

/** What is known of what follows the bytes: nothing; that they are as many as may be held; that they are the last. */
export type Following = 'unknown' | 'too-much' | 'nothing'

/**
 * Where the record ends that the bytes begin with; undefined when they do not tell. What it says while it is `unknown` what follows must
 * hold whatever follows.
 */
export type Cut<Note> = (bytes: Buffer, following: Following) => Ending<Note> | undefined

/** The bytes of one record, with its line break. */
export type Piece<Note> = {
  line: number
  /** Of a record that is longer than may be held: its beginning. */
  bytes: Buffer
  /** Undefined when it is longer than may be held, or the last one and without an end. */
  note: Note | undefined
  long: boolean
  next: Place
}

/** The lines of a file. */
export function readLines(chunks: AsyncIterable<Uint8Array>, from: Place, bytesMax: number): AsyncGenerator<Piece<null>> {
  return readPieces(chunks, from, bytesMax, bytes => {
    const end = bytes.indexOf(LF)
    return end === -1 ? undefined : { length: end + 1, note: null }
  })
}

/** The records of a file. One that is longer than `bytesMax` ends where `cut` says of its beginning, else with its line. */
export async function* readPieces<Note>(
  chunks: AsyncIterable<Uint8Array>,
  from: Place,
  bytesMax: number,
  cut: Cut<Note>
): AsyncGenerator<Piece<Note>, void, undefined> {
  let at = from
  let held: Buffer = Buffer.alloc(0)
  // The beginning of a record that is too long, while its line goes by, and how much of it has gone by.
  let passing: { bytes: Buffer; length: number } | undefined
  const piece = (bytes: Buffer, length: number, lines: number, note: Note | undefined, long = false): Piece<Note> => {
    const { line, offset, header } = at
    at = { offset: offset + length, line: line + lines, header }
    return { line, bytes, note, long, next: at }
  }

  for await (const chunk of chunks) {
    const more = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    held = held.length === 0 ? more : Buffer.concat([held, more])
    let start = 0
    while (start < held.length) {
      if (passing) {
        const end = held.indexOf(LF, start) + 1
        passing.length += (end || held.length) - start
        start = end || held.length
        if (end === 0) break
        yield piece(passing.bytes, passing.length, linesIn(passing.bytes) + 1, undefined, true)
        passing = undefined
        continue
      }
      const bytes = held.subarray(start, start + bytesMax)
      const long = bytes.length === bytesMax
      const ending = cut(bytes, 'unknown') ?? (long ? cut(bytes, 'too-much') : undefined)
      if (ending) {
        start += ending.length
        const own = bytes.subarray(0, ending.length)
        yield piece(own, own.length, linesIn(own), ending.note)
      } else if (long) {
        start += bytesMax
        // A copy, so that the chunk that it came in can go.
        passing = { bytes: Buffer.from(bytes), length: bytesMax }
      } else break
    }
    held = held.subarray(start)
  }

  if (passing) yield piece(passing.bytes, passing.length, linesIn(passing.bytes), undefined, true)
  for (let start = 0; start < held.length; ) {
    const rest = held.subarray(start)
    const { length, note } = cut(rest, 'nothing') ?? { length: rest.length, note: undefined }
    start += length
    const own = rest.subarray(0, length)
    yield piece(own, length, linesIn(own), note)
  }
}

/**
 * Looks at the first bytes of a file: a UTF-8 byte order mark is read past. Throws `FileRefused` for what is not UTF-8 text at all.
 * Further on in a file there is nothing to look at.
 */
export async function openText(
  chunks: AsyncIterable<Uint8Array>,
  from: Place
): Promise<{ chunks: AsyncIterable<Uint8Array>; from: Place }> {
  if (from.offset > 0) return { chunks, from }
  const iterator = chunks[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  while (head.length < HEAD_BYTES) {
    const { done, value } = await iterator.next()
    if (done) break
    head = Buffer.concat([head, value])
  }
  for (const { begins, detail } of otherFiles) {
    if (begins.test(head.toString('hex', 0, HEAD_BYTES))) {
      await iterator.return?.()
      throw new FileRefused('unsupported-encoding', detail)
    }
  }
  const marked = head.subarray(0, 3).equals(byteOrderMark)
  const text = marked ? head.subarray(3) : head
  return { chunks: startingWith(text, iterator), from: marked ? { ...from, offset: 3 } : from }
}

/** What people send in place of text in UTF-8, by the first bytes of it in hexadecimal. */
const otherFiles = [
  { begins: /^(fffe|feff|00|..00)/, detail: 'The file is in UTF-16 or UTF-32; save it as UTF-8' },
  { begins: /^504b0304/, detail: 'The file is a workbook or a zip archive; save it as CSV in UTF-8' },
  { begins: /^1f8b/, detail: 'The file is compressed; unpack it first' }
]

const HEAD_BYTES = 4
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

async function* startingWith(head: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}

const LF = 0x0a

/** How many line breaks there are. */
export function linesIn(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) count++
  return count
}
