/** A category: a place in the tree, which it names by its path from the top. */
import { Problem } from '#contracts/problems.ts'
import type { Category, CreateCategory, UpdateCategory } from '#contracts/resources/category.ts'
import { mergePatch } from './merge-patch.ts'

/** Levels of the tree. A path is in every event of everything below, so it has an end. */
export const DEPTH_MAX = 50

/** The category above, or null for the top of the tree. */
export type Parent = Pick<Category, 'categoryId' | 'path'> | null

/** A new category, as it is asked for. */
export function newCategory(
  { name, description }: CreateCategory,
  { categoryId, slug, parent }: { categoryId: string; slug: string; parent: Parent },
  at: string
): Category {
  return {
    categoryId,
    parentId: parent?.categoryId ?? null,
    name,
    slug,
    ...(description === undefined ? {} : { description }),
    path: pathBelow(parent, categoryId),
    version: 1,
    createdAt: at,
    updatedAt: at
  }
}

/** The category with a merge patch applied, below `parent`; where that is does not come from the patch. */
export function patchedCategory(category: Category, patch: UpdateCategory, parent: Parent): Category {
  const { parentId, ...rest } = patch
  return {
    ...mergePatch(category, rest),
    parentId: parent?.categoryId ?? null,
    path: pathBelow(parent, category.categoryId)
  }
}

/** Throws `invalid-request` when a tree of so many levels would go too deep below `parent`. */
export function checkDepth(parent: Parent, levels: number): void {
  const depth = (parent?.path.length ?? 0) + levels
  if (depth <= DEPTH_MAX) return
  const detail = `The tree would have ${depth} levels; at most ${DEPTH_MAX} are allowed`
  throw new Problem('invalid-request', detail, { errors: [{ pointer: '#/parentId', code: 'limit', detail }] })
}

function pathBelow(parent: Parent, categoryId: string): string[] {
  const above = parent?.path ?? []
  if (above.includes(categoryId)) {
    throw new Problem('category-cycle', 'The category would be below itself', { categoryId, parentId: parent?.categoryId })
  }
  return [...above, categoryId]
}
