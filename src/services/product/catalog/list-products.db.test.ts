import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import type { Product } from '#contracts/resources/product.ts'
import type { Input } from '#platform/handlers.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createCategory } from './create-category.ts'
import { createProduct } from './create-product.ts'
import { listProducts } from './list-products.ts'
import { recordProductView } from './record-product-view.ts'

let db: ProductDatabase
const products: Product[] = []
let categoryIds: string[] = []
before(async () => {
  db = await openProductDatabase()
  const top = await db.write(createCategory, { body: { name: 'Top' } })
  const below = await db.write(createCategory, { body: { name: 'Below', parentId: top.categoryId } })
  categoryIds = [top.categoryId, below.categoryId]
  for (let number = 0; number < 5; number++) {
    const body = {
      title: `Thing ${number}`,
      externalId: `erp-${number}`,
      status: number % 2 === 0 ? ('active' as const) : ('draft' as const),
      categoryIds: categoryIds.slice(number),
      variants: [{ sku: `T-${number}` }, { sku: `T-${number}b`, options: { a: 'b' } }]
    }
    products.push(await db.write(createProduct, { body }))
  }
})
after(() => db[Symbol.asyncDispose]())

const list = (query: Input<typeof catalogOperations.listProducts>['query']) => db.read(listProducts, { query })

test('products are listed whole and oldest first, page by page', async () => {
  const pages: Product[][] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: { data: Product[]; nextCursor: string | null } = await list({ limit: 2, ...(cursor ? { cursor } : {}) })
    pages.push(page.data)
    cursor = page.nextCursor
  }
  assert.deepEqual(pages, [products.slice(0, 2), products.slice(2, 4), products.slice(4)])
})

test('filters combine; a SKU finds its product, a category also what is below it', async () => {
  const numbers = async (query: Parameters<typeof list>[0]) => (await list(query)).data.map(({ title }) => Number(title.at(-1)))
  assert.deepEqual(await numbers({ status: 'draft' }), [1, 3])
  assert.deepEqual(await numbers({ sku: 'T-3b' }), [3])
  assert.deepEqual(await numbers({ sku: 'T-3b', status: 'active' }), [])
  assert.deepEqual(await numbers({ slug: 'thing-2' }), [2])
  assert.deepEqual(await numbers({ externalId: 'erp-4' }), [4])
  assert.deepEqual(await numbers({ categoryId: categoryIds[0]! }), [0, 1])
  assert.deepEqual(await numbers({ categoryId: categoryIds[1]!, status: 'active' }), [0])
  assert.deepEqual(await numbers({ categoryId: '00000000-0000-7000-8000-000000000000' }), [])
})

test('a cursor belongs to its filters', async () => {
  const { nextCursor } = await list({ limit: 1 })
  await assert.rejects(list({ status: 'active', cursor: nextCursor! }), { code: 'invalid-cursor' })
})

test('a view of a product that exists is told, and of no other', async () => {
  const [product, other] = products as [Product, Product]
  await db.events()
  const { variantId } = product.variants[0]!
  const view = (variantId: string | undefined, productId = product.productId) =>
    db.write(recordProductView, { params: { productId }, body: { ...(variantId ? { variantId } : {}), userId: 'u-1' } })
  assert.equal(await view(variantId), undefined)
  await view(undefined)
  assert.deepEqual(
    (await db.events()).map(event => [event.eventType, event.sequence, event.productId, event.variantId, event.userId]),
    [
      ['ProductViewed', 1, product.productId, variantId, 'u-1'],
      ['ProductViewed', 1, product.productId, undefined, 'u-1']
    ]
  )
  await assert.rejects(view(other.variants[0]!.variantId), { code: 'not-found' })
  await assert.rejects(view(undefined, '00000000-0000-7000-8000-000000000000'), { code: 'not-found' })
})
