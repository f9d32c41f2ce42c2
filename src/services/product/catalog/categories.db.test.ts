import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import type { Category, UpdateCategory } from '#contracts/resources/category.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { DEPTH_MAX } from './category.ts'
import { createCategory } from './create-category.ts'
import { createProduct } from './create-product.ts'
import { deleteCategory } from './delete-category.ts'
import { getCategory } from './get-category.ts'
import { listCategories } from './list-categories.ts'
import { updateCategory } from './update-category.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(() => db.events())

const nowhere = '00000000-0000-7000-8000-000000000000'
const create = (name: string, parent: Category | null = null) =>
  db.write(createCategory, { body: { name, parentId: parent?.categoryId ?? null } })
const patch = (params: Category, body: UpdateCategory, expected: number[] | null = null) =>
  db.write(updateCategory, { params, body, expected })
const get = (params: Category) => db.read(getCategory, { params })

async function chain(length: number): Promise<Category[]> {
  const categories: Category[] = []
  for (let level = 1; level <= length; level++) categories.push(await create(`Level ${level}`, categories.at(-1) ?? null))
  return categories
}

test('a category knows its path from the top down, and is told', async () => {
  const top = await create('Garden')
  const below = await create('Garden', top)
  assert.deepEqual(below, {
    categoryId: below.categoryId,
    parentId: top.categoryId,
    name: 'Garden',
    slug: 'garden-2',
    path: [top.categoryId, below.categoryId],
    version: 1,
    createdAt: below.createdAt,
    updatedAt: below.createdAt
  })
  assert.deepEqual(await get(below), below)
  const [, event] = await db.events()
  assert.deepEqual([event!.eventType, event!.sequence, event!.path], ['CategoryCreated', 1, below.path])
  await assert.rejects(db.write(createCategory, { body: { name: 'X', parentId: nowhere } }), {
    code: 'reference-not-found',
    extensions: { parentId: nowhere }
  })
  await assert.rejects(db.write(createCategory, { body: { name: 'X', slug: 'garden' } }), { code: 'slug-taken' })
})

test('a patch changes what it names; one that changes nothing is not told', async () => {
  const category = await create('Toys')
  const described = await patch(category, { description: 'To play with', slug: 'play' }, [1])
  assert.deepEqual(described, {
    ...category,
    description: 'To play with',
    slug: 'play',
    version: 2,
    updatedAt: described.updatedAt
  })
  const { description, ...rest } = described
  assert.deepEqual(await patch(category, { description: null }), {
    ...rest,
    version: 3,
    updatedAt: (await get(category)).updatedAt
  })
  await db.events()
  assert.equal((await patch(category, { name: 'Toys', parentId: null, description: null })).version, 3)
  assert.deepEqual(await db.events(), [])
  await assert.rejects(patch(category, { name: 'x' }, [2]), { code: 'precondition-failed', extensions: { currentVersion: 3 } })
  const other = await create('Games')
  await assert.rejects(patch(other, { slug: 'play' }), { code: 'slug-taken', extensions: { slug: 'play' } })
})

test('everything below a moved category comes along, each with its version and its event, from the top down', async () => {
  const [a, b, c, d] = await chain(4)
  const target = await create('Target')
  await db.events()
  const moved = await patch(b!, { parentId: target.categoryId })
  assert.deepEqual(moved.path, [target.categoryId, b!.categoryId])
  assert.deepEqual((await get(d!)).path, [target.categoryId, b!.categoryId, c!.categoryId, d!.categoryId])
  assert.deepEqual((await get(a!)).version, 1)
  assert.deepEqual(
    (await db.events()).map(event => [event.eventType, event.categoryId, event.sequence, event.changedFields.join()]),
    [
      ['CategoryUpdated', b!.categoryId, 2, 'parentId,path'],
      ['CategoryUpdated', c!.categoryId, 2, 'path'],
      ['CategoryUpdated', d!.categoryId, 2, 'path']
    ]
  )
  assert.deepEqual((await patch(b!, { parentId: null })).path, [b!.categoryId])
  assert.deepEqual((await get(d!)).path, [b!.categoryId, c!.categoryId, d!.categoryId])
})

test('a category cannot be below itself', async () => {
  const [a, b, c] = await chain(3)
  for (const parent of [a!, b!, c!]) {
    await assert.rejects(patch(a!, { parentId: parent.categoryId }), { code: 'category-cycle' })
  }
  await assert.rejects(patch(c!, { parentId: nowhere }), { code: 'reference-not-found' })
  assert.deepEqual(await get(a!), a)
  assert.deepEqual(await get(b!), b)
})

test('moves at once never make a cycle, and every path stays true', async () => {
  const categories = await Promise.all(Array.from({ length: 6 }, (_, index) => create(`Node ${index}`)))
  const move = (child: number, parent: number) =>
    patch(categories[child]!, { parentId: categories[parent]!.categoryId }).catch(error => {
      assert.ok(error instanceof Problem && error.code === 'category-cycle', error)
    })
  for (let round = 0; round < 5; round++) {
    await Promise.all(categories.map((_, index) => move(index, (index + 1 + round) % 6)))
    for (const category of await Promise.all(categories.map(get))) {
      const parent = categories.find(({ categoryId }) => categoryId === category.parentId)
      assert.deepEqual(category.path, [...(parent ? (await get(parent)).path : []), category.categoryId])
      assert.equal(new Set(category.path).size, category.path.length)
    }
  }
})

test('the tree has an end', async () => {
  const levels = await chain(DEPTH_MAX)
  await assert.rejects(create('Too deep', levels.at(-1)!), { code: 'invalid-request' })
  const above = await create('Above')
  await assert.rejects(patch(levels[0]!, { parentId: above.categoryId }), { code: 'invalid-request' })
  assert.deepEqual((await get(levels.at(-1)!)).path, levels.at(-1)!.path)
})

test('only a category that nothing is in can be deleted', async () => {
  const [top, below] = await chain(2)
  await assert.rejects(db.write(deleteCategory, { params: top! }), { code: 'category-in-use' })
  await db.write(createProduct, { body: { title: 'Inside', categoryIds: [below!.categoryId] } })
  await assert.rejects(db.write(deleteCategory, { params: below! }), { code: 'category-in-use' })
  const empty = await create('Empty')
  await assert.rejects(db.write(deleteCategory, { params: empty, expected: [2] }), { code: 'precondition-failed' })
  await db.events()
  assert.equal(await db.write(deleteCategory, { params: empty }), undefined)
  assert.deepEqual(
    (await db.events()).map(event => [event.eventType, event.sequence, event.slug]),
    [['CategoryDeleted', 2, 'empty']]
  )
  await assert.rejects(get(empty), { code: 'not-found' })
  assert.equal((await create('Empty')).slug, 'empty')
})

test('categories are listed oldest first, page by page, of a parent or by slug', async () => {
  const parent = await create('Parent')
  const children = [await create('First', parent), await create('Second', parent), await create('Third', parent)]
  const list = (query: { parentId?: string; slug?: string; limit?: number; cursor?: string }) => db.read(listCategories, { query })
  const first = await list({ parentId: parent.categoryId, limit: 2 })
  const rest = await list({ parentId: parent.categoryId, limit: 2, cursor: first.nextCursor! })
  assert.deepEqual([...first.data, ...rest.data], children)
  assert.equal(rest.nextCursor, null)
  assert.deepEqual((await list({ slug: 'second' })).data, [children[1]])
  assert.deepEqual((await list({ parentId: nowhere })).data, [])
  await assert.rejects(list({ cursor: first.nextCursor! }), { code: 'invalid-cursor' })
})
