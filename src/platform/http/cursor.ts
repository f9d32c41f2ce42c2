/** Cursors of listings: opaque, authenticated, and bound to the listing and its filters. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { Problem } from '#contracts/problems.ts'
import type { Queryable } from '../postgres/database.ts'
import { canonical } from '../text/json.ts'

export type Key = readonly (string | number | null)[]

export interface Cursors {
  seal(listing: string, key: Key): string
  /** Throws `invalid-cursor` for anything that `seal` did not give for this listing. */
  open(listing: string, cursor: string): Key
}

const TAG_BYTES = 16

export async function openCursors(database: Queryable): Promise<Cursors> {
  const [secret] = await database.query<{ value: Buffer }>(`select value from secrets where name = 'cursor'`)
  const tagOf = (listing: string, payload: string) =>
    createHmac('sha256', secret!.value).update(listing).update('\n').update(payload).digest().subarray(0, TAG_BYTES)

  return {
    seal(listing, key) {
      const payload = JSON.stringify(key)
      return Buffer.concat([tagOf(listing, payload), Buffer.from(payload)]).toString('base64url')
    },
    open(listing, cursor) {
      const bytes = Buffer.from(cursor, 'base64url')
      const payload = bytes.subarray(TAG_BYTES).toString()
      const genuine = bytes.length > TAG_BYTES && bytes.toString('base64url') === cursor
      if (!genuine || !timingSafeEqual(tagOf(listing, payload), bytes.subarray(0, TAG_BYTES))) throw new Problem('invalid-cursor')
      return JSON.parse(payload)
    }
  }
}

type Query = { limit?: number; cursor?: string }

/**
 * One page of a listing: `fetch` reads up to `limit` rows after a key, in the order of the key. A cursor belongs to the listing's name
 * and filters; the limit may change from page to page.
 */
export async function page<Item>(
  cursors: Cursors,
  name: string,
  query: Query,
  fetch: (after: Key | null, limit: number) => Promise<Item[]>,
  keyOf: (item: Item) => Key
): Promise<{ data: Item[]; nextCursor: string | null }> {
  const { listing, after, limit } = opened(cursors, name, query)
  const rows = await fetch(after, limit + 1)
  const data = rows.slice(0, limit)
  return { data, nextCursor: rows.length > limit ? cursors.seal(listing, keyOf(data.at(-1)!)) : null }
}

/** A place in a listing: an item as JSON text, or, as the last that is found, null: nothing up to there, and maybe something behind it. */
export type Place = { key: Key; text: string | null }

/** The same as the text that is sent, of items that are texts already. */
export async function pageOfTexts(
  cursors: Cursors,
  name: string,
  query: Query,
  fetch: (after: Key | null, limit: number) => Promise<Place[]>
): Promise<string> {
  const { listing, after, limit } = opened(cursors, name, query)
  const places = await fetch(after, limit + 1)
  const items = places.filter(({ text }) => text !== null)
  const more = items.length > limit ? items[limit - 1] : places.length > items.length ? places.at(-1) : undefined
  const nextCursor = more ? `"${cursors.seal(listing, more.key)}"` : 'null'
  const texts = items.slice(0, limit).map(({ text }) => text)
  return `{"data":[${texts.join(',')}],"nextCursor":${nextCursor}}`
}

function opened(cursors: Cursors, name: string, { limit = 20, cursor, ...filters }: Query) {
  const listing = `${name} ${createHash('sha256').update(canonical(filters)).digest('base64url')}`
  return { listing, after: cursor === undefined ? null : cursors.open(listing, cursor), limit }
}
