/** The event log as others read it: page by page from a position on, some types or all, never more than a page may cost. */
import { Problem } from '#contracts/problems.ts'
import type { Queryable } from '../postgres/database.ts'

/** What of the log is asked for: what comes after a position, of these types; null: of every type. */
export type FeedQuestion = { after: number; types: readonly string[] | null }

export type FeedEvent = { position: number; type: string; body: string }

export type FeedPage = {
  events: readonly FeedEvent[]
  /** How far the log was looked through: what was asked for and stands up to there is on this page or an earlier one. */
  position: number
  /** Of the newest event in the log. */
  head: number
}

export type PageBounds = { limit: number; bytes: number }

/** A page looks at so many events, whatever it finds: rare types are found page after page, and no page takes long. */
export const SCAN_MAX = 20_000

const read = `with log as (
    select position as head, coalesce((select min(position) from event_log), position + 1) as oldest from event_log_head
  ), found as (
    select position, type, body from event_log
    where position > $1 and position <= $1 + ${SCAN_MAX} and ($2::text[] is null or type = any ($2))
    order by position limit $3
  ), sized as (
    select *, sum(octet_length(body)) over (order by position) - octet_length(body) as bytes_before, count(*) over () as found
    from found
  )
  select head, oldest, page.position, page.type, page.body, coalesce(page.found, 0) as found
  from log left join (select * from sized where bytes_before < $4) page on true
  order by page.position`

type Row = { head: number; oldest: number; position: number | null; type: string; body: string; found: number }

/** Reads a page. Throws `position-gone` when the next event after the position is not kept any more. */
export async function readFeedPage(
  database: Queryable,
  { after, types }: FeedQuestion,
  { limit, bytes }: PageBounds
): Promise<FeedPage> {
  const rows = await database.query<Row>(read, [after, types, limit, bytes])
  const { head, oldest, found } = rows[0]!
  if (oldest > after + 1) {
    const detail = `The oldest event that can still be read is ${oldest}: start again from an export, or read on after ${oldest - 1}`
    throw new Problem('position-gone', detail, { oldestPosition: oldest })
  }
  const events = rows.filter((row): row is Row & FeedEvent => row.position !== null)
  const isWhole = found < limit && events.length === found
  const lookedThrough = Math.max(after, Math.min(after + SCAN_MAX, head))
  return { events, position: isWhole ? lookedThrough : events.at(-1)!.position, head }
}
