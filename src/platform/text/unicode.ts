/**
 * One text for what people see as one text: Unicode's normalization form C, given where text comes in (bodies, parameters, files, events)
 * and nowhere else. So "é" is found however it was typed, and two names that look the same are the same.
 */

/** Whether a text, or text in JSON with escapes, has anything that normalization could change: nothing before U+0300 is. */
const mayChange = /[\u0300-\uffff]|\\u/

export function normalizedText(text: string): string {
  return mayChange.test(text) ? text.normalize('NFC') : text
}

/** Normalizes every text in what was parsed from this JSON, names included, in place; the value itself when it is a text. */
export function normalizedJson(value: unknown, json: string): unknown {
  if (!mayChange.test(json)) return value
  if (typeof value === 'string') return value.normalize('NFC')
  // Not by recursion: events may nest deeper than the stack.
  const containers: unknown[] = [value]
  for (let container = containers.pop(); container !== undefined; container = containers.pop()) {
    if (typeof container !== 'object' || container === null) continue
    normalizeMembers(container as Record<string, unknown>, containers)
  }
  return value
}

function normalizeMembers(container: Record<string, unknown>, containers: unknown[]): void {
  for (const [name, member] of Object.entries(container)) {
    const ownName = name.normalize('NFC')
    const ownMember = typeof member === 'string' ? member.normalize('NFC') : member
    if (ownName !== name) delete container[name]
    if (ownName !== name || ownMember !== member) container[ownName] = ownMember
    if (typeof member === 'object' && member !== null) containers.push(member)
  }
}
