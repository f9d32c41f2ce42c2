import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { DeadLetter } from '#contracts/resources/dead-letter.ts'
import type { Input } from '#platform/http/handlers.ts'
import { discardDeadLetter as discard } from '#platform/messaging/resolve-dead-letters.ts'
import type { Transaction } from '#platform/postgres/database.ts'

export function discardDeadLetter(
  tx: Transaction,
  { params, body, actor }: Input<typeof operationsOperations.discardDeadLetter>
): Promise<DeadLetter> {
  return discard(tx, params.deadLetterId, actor.subject, body.note ?? null)
}
