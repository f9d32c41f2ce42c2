import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { DiscardedDeadLetters } from '#contracts/resources/dead-letter.ts'
import type { Transaction } from '#platform/database.ts'
import type { Input } from '#platform/handlers.ts'
import { discardDeadLetters as discard } from '#platform/resolve-dead-letters.ts'

export function discardDeadLetters(
  tx: Transaction,
  { body, actor }: Input<typeof operationsOperations.discardDeadLetters>
): Promise<DiscardedDeadLetters> {
  const { after, limit, dryRun, note, ...filter } = body
  return discard(tx, { filter, after, limit, dryRun }, actor.subject, note)
}
