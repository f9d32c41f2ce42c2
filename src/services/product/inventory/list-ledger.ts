import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { readLedgerEntries } from './ledger.ts'

type Operation = typeof inventoryOperations.listLedger

/** Every change of every counter, oldest first. */
export async function listLedger({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  return page(
    cursors,
    'listLedger',
    query,
    (after, limit) =>
      readLedgerEntries(
        database,
        `where ($1::uuid is null or variant_id = $1) and ($2::uuid is null or location_id = $2) and ($3::text is null or order_id = $3)
           and ledger_entry_id > $4 order by ledger_entry_id limit $5`,
        [query.variantId ?? null, query.locationId ?? null, query.orderId ?? null, after?.[0] ?? 0, limit]
      ),
    entry => [entry.ledgerEntryId]
  )
}
