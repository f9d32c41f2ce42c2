import { v7 } from 'uuid'

/** A new id: UUIDv7, so that ids sort by the time they were made and index pages stay warm. */
export function newId(): string {
  return v7()
}
