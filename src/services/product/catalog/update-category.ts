import { CategoryUpdated } from '#contracts/events/product-events.ts'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import { Problem } from '#contracts/problems.ts'
import type { Category } from '#contracts/resources/category.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announceAll, announcement } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { violated } from '#platform/postgres/database-errors.ts'
import { checkDepth, patchedCategory } from './category.ts'
import { type CategoryRow, categoryOf, lockCategory, lockTree, readParent } from './category-rows.ts'
import { changedFields } from './changed-fields.ts'

/** Changes a category; in another place of the tree, everything below it comes along. */
export async function updateCategory(
  tx: Transaction,
  { params: { categoryId }, body, expected }: Input<typeof catalogOperations.updateCategory>
): Promise<Category> {
  if (body.parentId !== undefined) await lockTree(tx)
  const before = await lockCategory(tx, categoryId)
  keepBefore(tx, before)
  checkVersion(expected, before.version)
  const after =
    body.parentId === undefined || body.parentId === before.parentId
      ? patchedCategory(before, body, parentOf(before))
      : patchedCategory(before, body, await readParent(tx, body.parentId))
  const fields = changedFields(before, after)
  if (fields.length === 0) return before
  const category = { ...after, version: before.version + 1, updatedAt: new Date().toISOString() }
  await updateRow(tx, category, before.version)
  const moved = fields.includes('path') ? await moveDescendants(tx, before, category) : []
  announceAll(tx, [
    announcement(CategoryUpdated, { ...category, changedFields: fields }, category.version),
    ...moved.map(each => announcement(CategoryUpdated, { ...each, changedFields: ['path'] }, each.version))
  ])
  return category
}

function parentOf({ parentId, path }: Category) {
  return parentId === null ? null : { categoryId: parentId, path: path.slice(0, -1) }
}

async function updateRow(tx: Transaction, category: Category, version: number): Promise<void> {
  const { categoryId, parentId, name, slug, description = null, path, updatedAt } = category
  try {
    const rows = await tx.query(
      `update categories set parent_id = $3, name = $4, slug = $5, description = $6, path = $7::uuid[], version = $8, updated_at = $9
       where category_id = $1 and version = $2 returning 1`,
      [categoryId, version, parentId, name, slug, description, path, category.version, updatedAt]
    )
    if (rows.length === 0) throw new Problem('precondition-failed')
  } catch (error) {
    if (violated(error) !== 'categories_slug_key') throw error
    throw new Problem('slug-taken', `Another category has the slug ${slug}`, { slug })
  }
}

/** Gives everything below a moved category its new path, from the top down. */
async function moveDescendants(tx: Transaction, before: Category, { categoryId, path, updatedAt }: Category): Promise<Category[]> {
  const rows = await tx.query<CategoryRow>(
    `update categories set path = $3::uuid[] || path[$2::integer + 1:], version = version + 1, updated_at = $4
     where path @> array[$1::uuid] and category_id <> $1 returning *`,
    [categoryId, before.path.length, path, updatedAt]
  )
  const moved = rows.map(categoryOf).sort((a, b) => a.path.length - b.path.length || (a.categoryId < b.categoryId ? -1 : 1))
  const depth = moved.at(-1)?.path.length ?? path.length
  checkDepth(null, depth)
  return moved
}
