import { bigints, uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { sendProductRows } from '../catalog/product-rows.ts'
import { rowOf, storeChanges } from '../catalog/store-changes.ts'
import { openStock } from '../inventory/open-stock.ts'
import { createCategories } from './category-paths.ts'
import { storeErrors } from './import-errors.ts'
import { storeKeys } from './import-keys.ts'
import type { Plan } from './plan-batch.ts'
import type { PreparedBatch } from './prepare-batch.ts'
import { holdImport, moveOn, type RunningImport } from './running-import.ts'

/**
 * Stores a batch, from a byte of the file on: products, their events, errors, counts and the place to go on from are one commit. Of a dry
 * run it stores everything but the products. Throws `NotOurs`, or whatever tells that somebody else came first.
 */
export async function storeBatch(tx: Transaction, running: RunningImport, batch: PreparedBatch, from: number): Promise<void> {
  const { importId, dryRun } = running
  const { plan, records } = batch
  // Statements leave together, and begin when the batch before has committed.
  const held = holdImport(tx, importId, from)
  if (dryRun) tx.send('savepoint catalog')
  const stored = storeProducts(tx, running, batch)
  if (dryRun) {
    await Promise.all([held, stored])
    tx.send('rollback to savepoint catalog')
    storeKeys(tx, importId, plan)
  }
  storeLines(tx, importId, plan)
  storeErrors(tx, importId, plan.errors)
  moveOn(tx, importId, records, plan)
  await Promise.all([held, stored])
}

async function storeProducts(
  tx: Transaction,
  { actor }: RunningImport,
  { plan, changes, missingCategories }: PreparedBatch
): Promise<void> {
  if (missingCategories.length > 0) await createCategories(tx, missingCategories)
  const created = changes.filter(({ before }) => before === null)
  sendProductRows(tx, created.map(rowOf))
  await Promise.all([storeChanges(tx, changes, { actor, announce: 'products' }), openStock(tx, plan.stock, actor)])
}

/** Remembers which products the lines of the file were. */
function storeLines(tx: Transaction, importId: string, { lines }: Plan): void {
  if (lines.length === 0) return
  tx.send(
    `insert into import_products (import_id, product_id, line) select $1::uuid, l.* from unnest($2::uuid[], $3::bigint[]) as l`,
    [importId, uuids(lines.map(({ productId }) => productId)), bigints(lines.map(({ line }) => line))]
  )
}
