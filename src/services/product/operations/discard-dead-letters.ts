import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { DiscardedDeadLetters } from '#contracts/resources/dead-letter.ts'
import type { Input } from '#platform/http/handlers.ts'
import { discardDeadLetters as discard } from '#platform/messaging/resolve-dead-letters.ts'
import type { Transaction } from '#platform/postgres/database.ts'

export function discardDeadLetters(
  tx: Transaction,
  { body, actor }: Input<typeof operationsOperations.discardDeadLetters>
): Promise<DiscardedDeadLetters> {
  const { after, limit, dryRun, note, ...filter } = body
  return discard(tx, { filter, after, limit, dryRun }, actor.subject, note)
}
