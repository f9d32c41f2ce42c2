import type { operationsOperations } from '#contracts/http/product-operations.ts'
import { page } from '#platform/cursor.ts'
import { readDeadLetters } from '#platform/dead-letters.ts'
import type { Input, Output, Reading } from '#platform/handlers.ts'

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
