import { newId } from '#platform/id.ts'
import type { Queryable } from '#platform/postgres/database.ts'
import { freeSlugs } from '../catalog/free-slug.ts'
import { creationOf } from '../catalog/product-change.ts'
import type { PlannedChange } from '../catalog/store-changes.ts'
import { type CategoryPlace, findCategories, keyOf, missingAmong } from './category-paths.ts'
import type { CheckedRecord } from './checked-records.ts'
import { rememberPlan } from './known.ts'
import { emptyPlan, type Plan, planRecords } from './plan-batch.ts'
import { readKnown } from './read-known.ts'
import type { RunningImport } from './running-import.ts'

/** A batch that has only to be stored. */
export type PreparedBatch = {
  records: readonly CheckedRecord[]
  plan: Plan
  /** Of the plan, with slugs that were free when it was made. */
  changes: PlannedChange[]
  missingCategories: CategoryPlace[]
}

/** Whoever waits for an answer of the database gets it after so many records. */
const TURN_RECORDS = 40

/**
 * Prepares a batch of records from what the catalog has now, and what the batches before it, which may not be committed yet, make of it.
 * Nothing is written; storing it finds out what has changed meanwhile. With `lock`, inside a transaction, products cannot.
 */
export async function prepareBatch(
  database: Queryable,
  { importId, dryRun }: RunningImport,
  records: readonly CheckedRecord[],
  { before, lock }: { before: readonly Plan[]; lock: boolean }
): Promise<PreparedBatch> {
  const given = records.flatMap(record => record.given ?? [])
  const paths = given.flatMap(({ categoryPaths = [] }) => categoryPaths)
  const [known, places] = await Promise.all([
    readKnown(database, given, { importId, dryRun, lock }),
    findCategories(database, paths)
  ])
  for (const plan of before) rememberPlan(known, plan)
  const categoryIdOf = (path: readonly string[]) => places.get(keyOf(path))!.categoryId
  const planning = { known, newId, at: new Date().toISOString(), categoryIdOf }
  const plan = emptyPlan()
  await inTurns(records, turn => planRecords(plan, turn, planning))
  await giveSlugs(database, plan, known.slugs.keys())
  const created = plan.creations.map(({ change }) => ({ change, before: null, lastSequence: 0 }))
  const changes = [...created, ...plan.changes]
  return { records, plan, changes, missingCategories: missingAmong(places, plan.categoryIds) }
}

async function inTurns<Item>(items: readonly Item[], work: (turn: readonly Item[]) => void): Promise<void> {
  for (let start = 0; start < items.length; start += TURN_RECORDS) {
    work(items.slice(start, start + TURN_RECORDS))
    await new Promise(setImmediate)
  }
}

/** Slugs that were made from a title give way to those that are taken, and to one another. */
async function giveSlugs(database: Queryable, { creations }: Plan, taken: Iterable<string>): Promise<void> {
  const crowded = creations.filter(creation => creation.crowded)
  if (crowded.length === 0) return
  const products = crowded.map(({ change }) => change.product)
  const wanted = products.map(({ slug, productId }) => ({ slug, id: productId }))
  const slugs = await freeSlugs(database, 'products', wanted, taken)
  crowded.forEach((creation, index) => {
    creation.change = creationOf({ ...products[index]!, slug: slugs[index]! })
  })
}
