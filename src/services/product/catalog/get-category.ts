import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Category } from '#contracts/resources/category.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readCategory } from './category-rows.ts'

/** Gets a category. */
export function getCategory({ database }: Reading, input: Input<typeof catalogOperations.getCategory>): Promise<Category> {
  return readCategory(database, input.params.categoryId)
}
