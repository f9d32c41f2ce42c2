import { Problem } from '#contracts/problems.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { openStockBook } from './stock-book.ts'

/**
 * Ends the counting of variants that are about to be deleted: what is left is written off, so that the ledger still explains it.
 * Throws `open-reservations` while anything of them is held.
 */
export async function closeStock(tx: Transaction, variantIds: readonly string[], actor: string): Promise<void> {
  const book = await openStockBook(tx, variantIds)
  const held = variantIds.filter(variantId => book.item(variantId)?.levels.some(level => level.reserved > 0))
  if (held.length > 0) throw new Problem('open-reservations', 'Stock is still held for orders', { variantIds: held })
  for (const variantId of variantIds) {
    const item = book.item(variantId)
    // Nobody is to be told that something deleted is low.
    if (item) item.tracked = false
    for (const level of item?.levels ?? []) {
      if (level.onHand === 0) continue
      book.move(variantId, level.locationId, {
        kind: 'write-off',
        deltaOnHand: -level.onHand,
        deltaReserved: 0,
        reason: 'deleted',
        actor
      })
    }
  }
  announceAll(tx, book.write(tx))
  await tx.query('delete from stock_levels where variant_id = any($1::uuid[])', [variantIds])
  await tx.query('delete from stock_items where variant_id = any($1::uuid[])', [variantIds])
}
