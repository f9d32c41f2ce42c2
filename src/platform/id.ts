import { randomUUIDv7 } from 'node:crypto'

/** A new id: UUIDv7, so that ids sort by the millisecond they were made in and index pages stay warm. */
export function newId(): string {
  return randomUUIDv7()
}
