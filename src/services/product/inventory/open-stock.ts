import type { Transaction } from '#platform/database.ts'
import { announceAll } from '#platform/outbox.ts'
import { openStockBook } from './stock-book.ts'

export type OpeningStock = {
  productId: string
  variantId: string
  onHand: number
  lowStockThreshold: number | null
  tracked: boolean
}

/** Begins counting new variants: a level at the default location, what is there booked as received. */
export async function openStock(tx: Transaction, items: readonly OpeningStock[], actor: string): Promise<void> {
  if (items.length === 0) return
  await tx.query(
    `insert into stock_items (variant_id, product_id, tracked, low_stock_threshold)
     select * from unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::bigint[])`,
    [
      items.map(item => item.variantId),
      items.map(item => item.productId),
      items.map(item => item.tracked),
      items.map(item => item.lowStockThreshold)
    ]
  )
  await tx.query(
    `insert into stock_levels (variant_id, location_id)
     select variant_id, location_id from unnest($1::uuid[]) as v (variant_id), locations where is_default`,
    [items.map(item => item.variantId)]
  )
  const book = await openStockBook(
    tx,
    items.map(item => item.variantId)
  )
  for (const { variantId, onHand } of items) {
    const item = book.item(variantId)!
    item.isNew = true
    if (onHand > 0)
      book.move(variantId, item.levels[0]!.locationId, {
        kind: 'receive',
        deltaOnHand: onHand,
        deltaReserved: 0,
        reason: 'received',
        actor
      })
  }
  announceAll(tx, book.write(tx))
}
