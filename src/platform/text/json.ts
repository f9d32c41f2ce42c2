/**
 * JSON as it may come from outside. `JSON.parse` lets pass what bites later: a key twice (the last wins), 1e400 (Infinity),
 * 9007199254740993 (rounds), `__proto__`, nesting that overflows the stack of whoever writes it out again, and invalid UTF-8. Texts come
 * out in one form, however they were typed: see unicode.ts.
 */
import { normalizedJson, normalizedText } from './unicode.ts'

export const JSON_DEPTH_MAX = 32
export const JSON_MEMBERS_MAX = 20_000

/** What is wrong, and where: a JSON Pointer. */
export class JsonRefused extends Error {
  readonly pointer: string
  constructor(pointer: string, detail: string) {
    super(detail)
    this.name = 'JsonRefused'
    this.pointer = pointer
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Parses one JSON value. Throws `JsonRefused` for whatever is not JSON, or is dangerous or ambiguous JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = strictUtf8.decode(bytes)
  } catch {
    throw new JsonRefused('', 'The body is not valid UTF-8')
  }
  scan(text)
  try {
    return normalizedJson(JSON.parse(text), text)
  } catch {
    throw new JsonRefused('', 'The body is not valid JSON')
  }
}

type Container = { keys: Set<string> | null; path: string | number }

/** One pass over the text, before anything is built: depth, members, keys and numbers. Syntax is left to JSON.parse. */
function scan(text: string): void {
  const stack: Container[] = []
  let members = 0
  let expectKey = false
  let opened = false
  const pointer = () => pointerTo(...stack.map(({ path }) => path))
  const count = () => {
    if (++members > JSON_MEMBERS_MAX) throw new JsonRefused(pointer(), `The body has more than ${JSON_MEMBERS_MAX} members`)
  }

  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (opened && char > SPACE) {
      opened = false
      if (char !== CLOSE_BRACE && char !== CLOSE_BRACKET) count()
    }
    if (char === QUOTE) {
      const end = endOfString(text, i)
      const literal = text.slice(i, end + 1)
      const top = stack.at(-1)
      if (expectKey && top?.keys) {
        const key = normalizedText(unescaped(literal))
        top.path = key
        if (key === '__proto__' || key === 'constructor' || key === 'prototype')
          throw new JsonRefused(pointer(), `The name ${key} is not allowed`)
        if (!key.isWellFormed()) throw new JsonRefused(pointer(), 'The name has half a surrogate pair')
        if (top.keys.has(key)) throw new JsonRefused(pointer(), 'The name stands twice in one object')
        top.keys.add(key)
        expectKey = false
      } else if (literal.includes('\\u') && !unescaped(literal).isWellFormed()) {
        throw new JsonRefused(pointer(), 'The text has half a surrogate pair')
      }
      i = end
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (stack.length === JSON_DEPTH_MAX) throw new JsonRefused(pointer(), `The body nests deeper than ${JSON_DEPTH_MAX}`)
      stack.push({ keys: char === OPEN_BRACE ? new Set() : null, path: char === OPEN_BRACE ? '' : 0 })
      expectKey = char === OPEN_BRACE
      opened = true
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      stack.pop()
      expectKey = false
    } else if (char === COMMA) {
      count()
      const top = stack.at(-1)
      if (top && !top.keys) top.path = Number(top.path) + 1
      expectKey = Boolean(top?.keys)
    } else if (char === MINUS || (char >= DIGIT_0 && char <= DIGIT_9)) {
      numberPattern.lastIndex = i
      const literal = numberPattern.exec(text)?.[0] ?? '-'
      checkNumber(literal, pointer)
      i += literal.length - 1
    }
  }
}

const [SPACE, QUOTE, BACKSLASH, COMMA, MINUS, DIGIT_0, DIGIT_9] = [0x20, 0x22, 0x5c, 0x2c, 0x2d, 0x30, 0x39]
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]
const numberPattern = /-?[0-9.eE+-]+/y

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === BACKSLASH) i++
    else if (char === QUOTE) return i
  }
  throw new JsonRefused('', 'The body is not valid JSON')
}

function unescaped(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1)
  try {
    return JSON.parse(literal)
  } catch {
    throw new JsonRefused('', 'The body is not valid JSON')
  }
}

function checkNumber(literal: string, pointer: () => string): void {
  const value = Number(literal)
  if (!Number.isFinite(value)) throw new JsonRefused(pointer(), 'The number is out of range')
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new JsonRefused(pointer(), 'The number is beyond 2^53 − 1 and would be rounded')
}

const NAME_SHOWN_MAX = 100

/** A JSON Pointer (RFC 6901). */
export function pointerTo(...names: (string | number)[]): string {
  return names.map(name => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** A JSON Pointer as a URI fragment (RFC 6901 §6). Names as long as nobody reads are cut. */
export function fragmentOf(pointer: string): string {
  const names = pointer.split('/').map(name => encodeURIComponent(name.slice(0, NAME_SHOWN_MAX).toWellFormed()))
  return `#${names.join('/')}`
}

/** One text for one value, whatever the order of its keys: for fingerprints. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return `{${members
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`)
    .join(',')}}`
}
