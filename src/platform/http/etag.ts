/** Entity tags (RFC 9110 §8.8.3): strong, made of the resource's version. */
import { Problem } from '#contracts/problems.ts'

/** Versions that a write may find; null: any. */
export type Expected = readonly number[] | null

export const etagOf = (version: number) => `"${version}"`

/** Reads If-Match (§13.1.1). A weak or malformed tag can never match a strong one, so it matches nothing, and is not ignored. */
export function readIfMatch(header: string | undefined): Expected {
  if (header === undefined || header.trim() === '*') return null
  return header.split(',').flatMap(tag => {
    const version = /^\s*"([1-9][0-9]{0,15})"\s*$/.exec(tag)?.[1]
    return version === undefined ? [] : [Number(version)]
  })
}

/** Whether If-None-Match (§13.1.2) names the tag: then the client has it already. The comparison is weak. */
export function noneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header === etag || header.trim() === '*') return true
  return header.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag)
}

/** Throws `precondition-failed` with the current version unless the write may go on. Call it with the row locked. */
export function checkVersion(expected: Expected, version: number): void {
  if (expected !== null && !expected.includes(version)) {
    throw new Problem('precondition-failed', `The current version is ${version}`, { currentVersion: version })
  }
}
