import { JsonRefused, parseJson } from '#platform/text/json.ts'
import { openText, readLines } from '#platform/text/lines.ts'
import { FileRefused, LINE_BYTES_MAX, type RecordFault } from '#platform/text/records.ts'
import type { ReadFormat } from './source-record.ts'

/** Reads one product a line, passing over blank lines. */
export const readNdjson: ReadFormat = async function* (file, { from: start }) {
  const { chunks, from } = await openText(file, start)
  for await (const { line, bytes, long, next } of readLines(chunks, from, LINE_BYTES_MAX)) {
    if (long) {
      const detail = `The line has more than ${LINE_BYTES_MAX} bytes`
      yield { line, value: undefined, faults: [{ line, pointer: '', code: 'line-too-long', detail }], next }
      continue
    }
    const begin = textFrom(bytes)
    if (begin === bytes.length) continue
    if (line === 1 && bytes[begin] === OPEN_BRACKET && textFrom(bytes, begin + 1) === bytes.length) {
      throw new FileRefused(
        'malformed-json',
        'The file is one JSON array; NDJSON has an object on each line, and nothing around them'
      )
    }
    try {
      yield { line, value: parseJson(bytes), faults: [], next }
    } catch (error) {
      if (!(error instanceof JsonRefused)) throw error
      yield { line, value: undefined, faults: [toFault(error, line)], next }
    }
  }
}

const OPEN_BRACKET = 0x5b
const SPACE = 0x20

/** Where something stands that is no white space; the length when nothing does. */
function textFrom(bytes: Uint8Array, start = 0): number {
  let at = start
  while (at < bytes.length && bytes[at]! <= SPACE && bytes[at]! > 0) at++
  return at
}

function toFault({ pointer, message }: JsonRefused, line: number): RecordFault {
  const code = message.includes('UTF-8') ? 'encoding' : 'malformed-json'
  return { line, pointer, code, detail: message.replace('The body', 'The line') }
}
