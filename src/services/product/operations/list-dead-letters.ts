import type { operationsOperations } from '#contracts/http/product-operations.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { readDeadLetters } from '#platform/messaging/dead-letters.ts'

type Operation = typeof operationsOperations.listDeadLetters

export async function listDeadLetters({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  return page(
    cursors,
    'listDeadLetters',
    query,
    (after, limit) => readDeadLetters(database, query, after ? String(after[0]) : null, limit),
    deadLetter => [deadLetter.deadLetterId]
  )
}
