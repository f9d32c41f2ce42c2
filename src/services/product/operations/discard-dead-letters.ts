import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { DiscardedDeadLetters } from '#contracts/resources/dead-letter.ts'
import type { Input, Reading } from '#platform/handlers.ts'
import { discardDeadLetters as discard } from '#platform/resolve-dead-letters.ts'

/** One statement, which is its own transaction; once more, it finds nothing open. */
export function discardDeadLetters(
  { database }: Reading,
  { body, actor }: Input<typeof operationsOperations.discardDeadLetters>
): Promise<DiscardedDeadLetters> {
  const { after, limit, dryRun, note, ...filter } = body
  return discard(database, { filter, after, limit, dryRun }, actor.subject, note)
}
