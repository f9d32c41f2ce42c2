/** What a change was, as the audit log keeps it: the members that differ, bounded, without what must not be kept. */
import { createHash } from 'node:crypto'
import { canonical } from '../text/json.ts'

/** JSON texts; null where there was nothing before, or is nothing after. */
export type Change = { before: string | null; after: string | null }

/** Names of members of which is kept that they changed, and not what they are. */
export type Withheld = ReadonlySet<string>

/** Of one side of a change. A larger one keeps its small members; of the others, how large they are and their digest. */
export const SIDE_BYTES_MAX = 16_384
const MEMBER_BYTES_MAX = 1024
const WITHHELD = '(withheld)'

/** What differs between two documents; undefined is none. Of what appears or goes, all of it. */
export function changeOf(before: unknown, after: unknown, withheld: Withheld): Change {
  if (!isObject(before) || !isObject(after)) return { before: sideOf(before, withheld), after: sideOf(after, withheld) }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    name => name in before !== name in after || differs(before[name], after[name])
  )
  const only = (of: Record<string, unknown>) => Object.fromEntries(names.flatMap(name => (name in of ? [[name, of[name]]] : [])))
  return { before: sideOf(only(before), withheld), after: sideOf(only(after), withheld) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function differs(one: unknown, other: unknown): boolean {
  if (one === other || JSON.stringify(one) === JSON.stringify(other)) return false
  return canonical(one) !== canonical(other)
}

function sideOf(document: unknown, withheld: Withheld): string | null {
  if (document === undefined || document === null) return null
  const shown = (name: string, value: unknown) => (withheld.has(name) && value !== null ? WITHHELD : value)
  const text = withheld.size === 0 ? JSON.stringify(document) : JSON.stringify(document, shown)
  if (Buffer.byteLength(text) <= SIDE_BYTES_MAX) return text
  const kept = JSON.parse(text)
  if (!isObject(kept)) return digestOf(text)
  for (const [name, value] of Object.entries(kept)) {
    const member = JSON.stringify(value)
    if (Buffer.byteLength(member) > MEMBER_BYTES_MAX) kept[name] = JSON.parse(digestOf(member))
  }
  const smaller = JSON.stringify(kept)
  return Buffer.byteLength(smaller) <= SIDE_BYTES_MAX ? smaller : digestOf(text)
}

function digestOf(text: string): string {
  return JSON.stringify({ bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') })
}
