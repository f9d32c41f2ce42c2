/** Low stock is told on its edges: once when a variant falls to its threshold, again only after it has risen above. */
import { InventoryBackInStock, InventoryLowStock } from '#contracts/events/inventory-events.ts'
import { type Announcement, announcement } from '#platform/messaging/outbox.ts'
import { availableOf, type StockItem } from './stock.ts'

export type Edge = { variantId: string; low: boolean; alertSequence: number; announcements: Announcement[] }

/** What crossed an edge since `availableBefore`, or undefined. */
export function edgesOf(item: StockItem): Edge | undefined {
  const { productId, variantId, tracked, lowStockThreshold: threshold } = item
  const available = availableOf(item.levels)
  const low = tracked && threshold !== null && available <= threshold
  const announcements: Announcement[] = []
  let alertSequence = item.alertSequence
  if (low && !item.low) {
    announcements.push(
      announcement(InventoryLowStock, { productId, variantId, availableQuantity: available, threshold }, ++alertSequence)
    )
  }
  if (tracked && !item.isNew && item.availableBefore <= 0 && available > 0) {
    announcements.push(announcement(InventoryBackInStock, { productId, variantId, availableQuantity: available }, ++alertSequence))
  }
  if (low === item.low && announcements.length === 0) return undefined
  return { variantId, low, alertSequence, announcements }
}
