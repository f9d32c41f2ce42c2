import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { type Fault, Problem } from '#contracts/problems.ts'
import type { Input, Output } from '#platform/http/handlers.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { ledgerActorOf, readLedgerEntries } from './ledger.ts'
import { defaultLocationId } from './location.ts'
import { openStockBook, type StockBook } from './stock-book.ts'

type Operation = typeof inventoryOperations.createAdjustments
type Item = Input<Operation>['body']['items'][number] & { locationId: string }

/** Books differences, or counts that replace an expected one: all of them, or none. */
export async function createAdjustments(tx: Transaction, { body, actor }: Input<Operation>): Promise<Output<Operation>> {
  const fallback = await defaultLocationId(tx)
  const items: Item[] = body.items.map(item => ({ locationId: fallback, ...item }))
  await ensureLevels(tx, items)
  const book = await openStockBook(
    tx,
    items.map(item => item.variantId)
  )
  refuseUnknown(book, items)
  for (const [index, item] of items.entries()) adjust(book, item, index, ledgerActorOf(actor))
  const { announcements, ledgerEntryIds } = await book.writeLedger(tx)
  announceAll(tx, announcements)
  return {
    data: await readLedgerEntries(tx, 'where ledger_entry_id = any($1::bigint[]) order by ledger_entry_id', [ledgerEntryIds])
  }
}

/** A variant has a level wherever something of it is counted; made in one order, as they are locked. */
async function ensureLevels(tx: Transaction, items: readonly Item[]): Promise<void> {
  await tx.query(
    `insert into stock_levels (variant_id, location_id)
     select distinct i.variant_id, l.location_id from unnest($1::uuid[], $2::uuid[]) as w (variant_id, location_id)
       join stock_items i using (variant_id) join locations l using (location_id)
     where not exists (select from stock_levels s where (s.variant_id, s.location_id) = (i.variant_id, l.location_id))
     order by 1, 2 on conflict do nothing`,
    [items.map(item => item.variantId), items.map(item => item.locationId)]
  )
}

function refuseUnknown(book: StockBook, items: readonly Item[]): void {
  const errors = items.flatMap((item, index): Fault[] => {
    const known = book.item(item.variantId)
    if (!known) return [{ pointer: `#/items/${index}/variantId`, code: 'reference-not-found', detail: 'There is no such variant' }]
    if (known.levels.some(level => level.locationId === item.locationId)) return []
    return [{ pointer: `#/items/${index}/locationId`, code: 'reference-not-found', detail: 'There is no such location' }]
  })
  if (errors.length > 0) throw new Problem('reference-not-found', undefined, { errors })
}

function adjust(book: StockBook, item: Item, index: number, actor: string): void {
  const { variantId, locationId, reason, note = null } = item
  const level = book.item(variantId)!.levels.find(level => level.locationId === locationId)!
  if ('expectedOnHand' in item && item.expectedOnHand !== level.onHand) {
    throw new Problem('stale-quantity', `There are ${level.onHand} on hand`, { pointer: `#/items/${index}`, onHand: level.onHand })
  }
  const delta = 'delta' in item ? item.delta : item.onHand - level.onHand
  if (level.onHand + delta < level.reserved) {
    throw new Problem('would-oversell', `Of ${level.onHand} on hand, ${level.reserved} are reserved`, {
      pointer: `#/items/${index}`,
      onHand: level.onHand,
      reserved: level.reserved
    })
  }
  const kind = reason === 'received' ? 'receive' : 'adjust'
  book.move(variantId, locationId, { kind, deltaOnHand: delta, deltaReserved: 0, reason, note, actor })
}
