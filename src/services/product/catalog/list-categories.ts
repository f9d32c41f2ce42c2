import type { Static } from 'typebox'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { CategoryList } from '#contracts/resources/category.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { type CategoryRow, categoryOf } from './category-rows.ts'

/** Lists categories, oldest first. */
export function listCategories(
  { database, cursors }: Reading,
  { query }: Input<typeof catalogOperations.listCategories>
): Promise<Static<typeof CategoryList>> {
  return page(
    cursors,
    'listCategories',
    query,
    async (after, limit) => {
      const rows = await database.query<CategoryRow>(
        `select * from categories
         where ($1::uuid is null or category_id > $1) and ($2::uuid is null or parent_id = $2) and ($3::text is null or slug = $3)
         order by category_id limit $4`,
        [after?.[0] ?? null, query.parentId ?? null, query.slug ?? null, limit]
      )
      return rows.map(categoryOf)
    },
    category => [category.categoryId]
  )
}
