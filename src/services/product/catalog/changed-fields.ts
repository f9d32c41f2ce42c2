import { canonical } from '#platform/json.ts'

const bookkeeping = new Set(['version', 'createdAt', 'updatedAt'])

/** The names of the members that differ, other than those that keep account of changes. */
export function changedFields(before: object, after: object): string[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  return [...new Set([...old.keys(), ...now.keys()])].filter(name => !bookkeeping.has(name) && !same(old.get(name), now.get(name)))
}

function same(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b)
}
