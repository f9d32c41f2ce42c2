import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { DeadLetter } from '#contracts/resources/dead-letter.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { replayDeadLetter as replay } from '#platform/messaging/resolve-dead-letters.ts'

/** Has a transaction of its own, since a replay that fails keeps its new error. */
export function replayDeadLetter(
  { database, consumers }: Reading,
  { params, actor, audited }: Input<typeof operationsOperations.replayDeadLetter>
): Promise<DeadLetter> {
  return replay(database, consumers, params.deadLetterId, actor.subject, audited)
}
