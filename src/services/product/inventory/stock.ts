/** The arithmetic of stock: no database in sight. */

/** The counters of one variant at one location. */
export type Level = {
  variantId: string
  locationId: string
  priority: number
  active: boolean
  onHand: number
  reserved: number
  safetyStock: number
  version: number
}

/** One change of one level, and why: it becomes one ledger entry. */
export type Movement = {
  kind: 'receive' | 'adjust' | 'reserve' | 'release' | 'expire' | 'commit' | 'restock' | 'write-off'
  deltaOnHand: number
  deltaReserved: number
  orderId?: string | null
  reason?: string | null
  note?: string | null
  actor: string
}

/** What is counted of a variant, with all its levels. */
export type StockItem = {
  variantId: string
  productId: string
  tracked: boolean
  lowStockThreshold: number | null
  low: boolean
  alertSequence: number
  /** It and its product are active. */
  sellable: boolean
  levels: Level[]
  availableBefore: number
  /** It is being created: its first units are not "back". */
  isNew: boolean
}

/** A movement as the ledger keeps it, with what the counters were after it. */
export type LedgerRow = Required<Movement> & { variantId: string; locationId: string; onHandAfter: number; reservedAfter: number }

export type Part = { locationId: string; quantity: number }

/** What can still be promised at a level; an inactive location promises nothing. */
export function availableAt(level: Level): number {
  return level.active ? level.onHand - level.reserved - level.safetyStock : 0
}

/** What can still be promised of a variant over all its levels. A level below its safety stock takes nothing from the others. */
export function availableOf(levels: readonly Level[]): number {
  return levels.reduce((sum, level) => sum + Math.max(0, availableAt(level)), 0)
}

/**
 * Where to take a quantity from: the first location by priority that has all of it, else as much as there is from each in that order.
 * Undefined when there is not enough.
 */
export function allocate(levels: readonly Level[], quantity: number): Part[] | undefined {
  const byPriority = levels
    .filter(level => availableAt(level) > 0)
    .sort((a, b) => a.priority - b.priority || (a.locationId < b.locationId ? -1 : 1))
  const whole = byPriority.find(level => availableAt(level) >= quantity)
  if (whole) return [{ locationId: whole.locationId, quantity }]
  const parts: Part[] = []
  let missing = quantity
  for (const level of byPriority) {
    const taken = Math.min(missing, availableAt(level))
    parts.push({ locationId: level.locationId, quantity: taken })
    missing -= taken
    if (missing === 0) return parts
  }
  return undefined
}

/** An order that names a variant twice wants the sum: one line per variant, sorted. */
export function mergeItems<Item extends { variantId: string; quantity: number }>(items: readonly Item[]): Item[] {
  const merged = new Map<string, Item>()
  for (const item of items) {
    const known = merged.get(item.variantId)
    merged.set(item.variantId, known ? { ...item, ...known, quantity: known.quantity + item.quantity } : item)
  }
  return [...merged.values()].sort((a, b) => (a.variantId < b.variantId ? -1 : 1))
}

const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Whether a text can be one of our ids at all: other services may name anything. */
export function isVariantId(text: string): boolean {
  return idPattern.test(text)
}
