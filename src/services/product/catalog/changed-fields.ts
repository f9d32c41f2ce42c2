import { canonical } from '#platform/text/json.ts'

const bookkeeping = new Set(['version', 'createdAt', 'updatedAt'])

/** The names of the members that differ, other than those that keep account of changes. */
export function changedFields(before: object, after: object): string[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  return [...new Set([...old.keys(), ...now.keys()])].filter(name => !bookkeeping.has(name) && !same(old.get(name), now.get(name)))
}

/** Texts that are the same are found sooner than their canonical ones. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object') return false
  return JSON.stringify(a) === JSON.stringify(b) || canonical(a) === canonical(b)
}
