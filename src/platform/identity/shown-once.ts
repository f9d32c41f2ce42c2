/** What a reply tells once, such as a new API key, is in nothing that is kept of it. */
import type { Operation } from '#contracts/define.ts'

/** The text of a reply as it may be kept: with null in place of what its operation shows once. */
export function withoutShownOnce({ shownOnce }: Operation, text: string): string {
  if (!shownOnce || text === '') return text
  const members = JSON.parse(text) as Record<string, unknown>
  for (const name of shownOnce) if (name in members) members[name] = null
  return JSON.stringify(members)
}
