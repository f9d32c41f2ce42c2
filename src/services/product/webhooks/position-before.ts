/** Where in the event log a time is: positions are given in order, so it is found by halving. */
import { Problem } from '#contracts/problems.ts'
import type { Queryable } from '#platform/postgres/database.ts'

type Place = { position: number; logged_at: string }

/**
 * The position of the last event that was logged before a time, or 0; null: of the last there is. Throws `position-gone` for a time that the
 * log no longer reaches back to.
 */
export async function positionBefore(database: Queryable, time: Date | null): Promise<number> {
  const [head] = await database.query<{ position: number }>('select position from event_log_head')
  if (time === null) return head!.position
  const at = async (position: number) =>
    (
      await database.query<Place>('select position, logged_at from event_log where position >= $1 order by position limit 1', [
        position
      ])
    )[0]
  const isBefore = ({ logged_at }: Place) => Date.parse(logged_at) < time.getTime()
  const oldest = await at(0)
  if (!oldest) return head!.position
  if (!isBefore(oldest)) {
    if (oldest.position === 1) return 0
    const detail = `The event log no longer reaches back so far, only to ${oldest.logged_at}`
    throw new Problem('position-gone', detail, { oldestPosition: oldest.position })
  }
  let before = oldest.position
  let beyond = head!.position + 1
  while (beyond - before > 1) {
    const middle = Math.floor((before + beyond) / 2)
    const found = await at(middle)
    if (found && isBefore(found)) before = found.position
    else beyond = middle
  }
  return before
}
