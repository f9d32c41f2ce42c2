import { randomUUIDv7 } from 'node:crypto'

let millisecond = ''
let count = 0

/**
 * A new id: UUIDv7, so that index pages stay warm and ids of one process sort in the order in which they were made: those of one millisecond
 * are counted, from a random start, in the twelve bits that RFC 9562 §6.2 leaves for it.
 */
export function newId(): string {
  const id = randomUUIDv7()
  const made = id.slice(0, 13)
  count = made === millisecond ? (count + 1) & 0xfff : Number.parseInt(id.slice(15, 18), 16) >> 1
  millisecond = made
  return `${id.slice(0, 15)}${count.toString(16).padStart(3, '0')}${id.slice(18)}`
}
