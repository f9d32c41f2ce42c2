/** Categories by their names from the top down. One that is missing gets its id at once, and is created when a product is in it. */

import { newId } from '#platform/id.ts'
import type { Queryable, Transaction } from '#platform/postgres/database.ts'
import type { Parent } from '../catalog/category.ts'
import { lockTree } from '../catalog/category-rows.ts'
import { insertCategory } from '../catalog/insert-category.ts'

export type CategoryPath = readonly string[]

/** A place in the tree; null above the top. */
export type CategoryPlace = {
  categoryId: string
  key: string
  name: string
  parent: CategoryPlace | null
  path: string[]
  missing: boolean
}

/** The places of some paths, by path. */
export type CategoryPlaces = ReadonlyMap<string, CategoryPlace>

/** What no name contains. */
export const keyOf = (path: CategoryPath) => path.join('\n')

/** Finds the categories of some paths. Of several with one name at one place the oldest counts. */
export async function findCategories(database: Queryable, paths: readonly CategoryPath[]): Promise<CategoryPlaces> {
  const places = await readPlaces(database, [...new Set(paths.flat())])
  for (const path of paths) {
    let parent: CategoryPlace | null = null
    for (let length = 1; length <= path.length; length++) {
      const key = keyOf(path.slice(0, length))
      const place: CategoryPlace = places.get(key) ?? missingPlace(key, path[length - 1]!, parent)
      places.set(key, place)
      parent = place
    }
  }
  return places
}

/** The missing among these categories and what is missing above them, from the top down. */
export function missingAmong(places: CategoryPlaces, ids: ReadonlySet<string>): CategoryPlace[] {
  const missing = new Set<CategoryPlace>()
  const add = (place: CategoryPlace | null): void => {
    if (!place?.missing || missing.has(place)) return
    add(place.parent)
    missing.add(place)
  }
  for (const place of places.values()) if (ids.has(place.categoryId)) add(place)
  return [...missing]
}

/** Somebody else has created what was missing: it is to be looked for again. */
export class CreatedMeanwhile extends Error {}

/**
 * Creates categories that are missing. From here to the end of the transaction nobody else changes the tree, so that each is created once,
 * whoever else wants it too. Throws `CreatedMeanwhile`.
 */
export async function createCategories(tx: Transaction, missing: readonly CategoryPlace[]): Promise<void> {
  await lockTree(tx)
  const names = missing.flatMap(place => place.key.split('\n'))
  const places = await readPlaces(tx, [...new Set(names)])
  const created = new Map<string, Parent>()
  for (const { key, name, categoryId, parent } of missing) {
    if (places.has(key)) throw new CreatedMeanwhile(`the category ${name} has been created`)
    const above = parent && (created.get(parent.key) ?? places.get(parent.key) ?? null)
    if (above?.categoryId !== parent?.categoryId) throw new CreatedMeanwhile(`the category ${parent?.name} is another now`)
    created.set(key, await insertCategory(tx, { name, parentId: above?.categoryId ?? null }, categoryId, above))
  }
}

function missingPlace(key: string, name: string, parent: CategoryPlace | null): CategoryPlace {
  return { categoryId: newId(), key, name, parent, path: [], missing: true }
}

type CategoryRow = { category_id: string; parent_id: string | null; name: string; path: string[] }

/** The places of the tree that are reached by these names. */
async function readPlaces(database: Queryable, names: readonly string[]): Promise<Map<string, CategoryPlace>> {
  const places = new Map<string, CategoryPlace>()
  if (names.length === 0) return places
  const rows = await database.query<CategoryRow>(
    `select category_id, parent_id, name, path from categories where name = any($1::text[])
     order by cardinality(path), category_id`,
    [names]
  )
  const byId = new Map<string, CategoryPlace>()
  for (const { category_id: categoryId, parent_id, name, path } of rows) {
    const parent = parent_id === null ? null : byId.get(parent_id)
    if (parent === undefined) continue
    const key = parent ? `${parent.key}\n${name}` : name
    // Below a younger namesake nothing is looked for.
    if (places.has(key)) continue
    const place = { categoryId, key, name, parent, path, missing: false }
    byId.set(categoryId, place)
    places.set(key, place)
  }
  return places
}
