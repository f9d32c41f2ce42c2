import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { DeadLetter } from '#contracts/resources/dead-letter.ts'
import { readDeadLetter } from '#platform/dead-letters.ts'
import type { Input, Reading } from '#platform/handlers.ts'

export function getDeadLetter(
  { database }: Reading,
  { params }: Input<typeof operationsOperations.getDeadLetter>
): Promise<DeadLetter> {
  return readDeadLetter(database, params.deadLetterId)
}
