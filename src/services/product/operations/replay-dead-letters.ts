import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { ReplayedDeadLetters } from '#contracts/resources/dead-letter.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { replayDeadLetters as replay } from '#platform/messaging/resolve-dead-letters.ts'

/** Has a transaction of its own for each. */
export function replayDeadLetters(
  { database, consumers }: Reading,
  { body, actor, audited }: Input<typeof operationsOperations.replayDeadLetters>
): Promise<ReplayedDeadLetters> {
  const { after, limit, dryRun, ...filter } = body
  return replay(database, consumers, { filter, after, limit, dryRun }, actor.subject, audited)
}
