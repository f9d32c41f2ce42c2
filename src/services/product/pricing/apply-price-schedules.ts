import { announceAll } from '#platform/messaging/outbox.ts'
import type { Database } from '#platform/postgres/database.ts'
import { beginReview } from './begin-review.ts'

const BATCH = 100

/**
 * Tells what has become another price because a schedule began or ended, or because a list was changed: each change as of its instant, in
 * order, however late. What is paid follows the schedules by itself, with this timer stopped too.
 */
export async function applyPriceSchedules(database: Database): Promise<{ done: number; more: boolean }> {
  return database.transact(async tx => {
    const due = await tx.query<{ variant_id: string }>(
      `select variant_id from price_reviews where due_at <= now() order by due_at limit ${BATCH}`
    )
    if (due.length === 0) return { done: 0, more: false }
    const variantIds = due.map(row => row.variant_id)
    const review = await beginReview(tx, variantIds, 'schedule')
    const gone = variantIds.filter(id => !review.productOf.has(id))
    if (gone.length > 0) tx.send('delete from price_reviews where variant_id = any($1::uuid[])', [gone])
    announceAll(tx, await review.end())
    return { done: due.length, more: due.length === BATCH }
  })
}
