import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { DeadLetter } from '#contracts/resources/dead-letter.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readDeadLetter } from '#platform/messaging/dead-letters.ts'

export function getDeadLetter(
  { database }: Reading,
  { params }: Input<typeof operationsOperations.getDeadLetter>
): Promise<DeadLetter> {
  return readDeadLetter(database, params.deadLetterId)
}
