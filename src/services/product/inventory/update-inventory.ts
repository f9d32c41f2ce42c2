import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Inventory } from '#contracts/resources/inventory.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { readInventories, shown } from './inventory.ts'
import { defaultLocationId } from './location.ts'
import { openStockBook } from './stock-book.ts'

/** Sets the threshold of low stock, whether stock is counted at all, and how much of it is never promised. */
export async function updateInventory(
  tx: Transaction,
  { params: { variantId }, body }: Input<typeof inventoryOperations.updateInventory>
): Promise<Inventory> {
  const book = await openStockBook(tx, [variantId])
  const item = book.item(variantId)
  if (!item) throw new Problem('not-found', 'There is no such variant')
  const [before] = await readInventories(tx, [variantId])
  keepBefore(tx, shown(before!))
  const { lowStockThreshold = item.lowStockThreshold, tracked = item.tracked } = body
  if (tracked !== item.tracked && item.levels.some(level => level.reserved > 0)) {
    throw new Problem('open-reservations', 'Counting cannot begin or end while stock is held for orders')
  }
  let differs = lowStockThreshold !== item.lowStockThreshold || tracked !== item.tracked
  item.lowStockThreshold = lowStockThreshold
  item.tracked = tracked
  if (body.safetyStock !== undefined) {
    const locationId = body.locationId ?? (await defaultLocationId(tx))
    const level = item.levels.find(level => level.locationId === locationId)
    if (!level) throw new Problem('reference-not-found', 'Nothing of the variant is counted at this location', { locationId })
    if (level.safetyStock !== body.safetyStock) {
      book.keepBack(variantId, locationId, body.safetyStock)
      differs = true
    }
  }
  if (differs) {
    await tx.query('update stock_items set low_stock_threshold = $2, tracked = $3, version = version + 1 where variant_id = $1', [
      variantId,
      lowStockThreshold,
      tracked
    ])
    announceAll(tx, book.write(tx))
  }
  const [inventory] = await readInventories(tx, [variantId])
  return shown(inventory!)
}
