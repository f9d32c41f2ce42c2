import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { setPrices } from '../pricing/set-prices.ts'
import { createCategory } from './create-category.ts'
import { createProduct } from './create-product.ts'
import { deleteVariant } from './delete-variant.ts'
import { lockProduct } from './lock-product.ts'
import { patchedProduct } from './product.ts'
import { changeOf } from './product-change.ts'
import { type PlannedChange, storeChanges } from './store-changes.ts'
import { updateVariant } from './update-variant.ts'

let db: ProductDatabase
let number = 0
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(async () => {
  number++
})

const price = (amount: string, currency = 'EUR') => ({ amount, currency })
const create = (name: string, prices: ReturnType<typeof price>[][] = []) =>
  db.write(createProduct, {
    body: {
      title: `${name} ${number}`,
      variants: prices.map((each, index) => ({ sku: `${name}-${number}-${index}`, options: { N: `${index}` }, prices: each }))
    }
  })
const rangesOf = (productId: string) =>
  db.database.query('select currency, min_minor, max_minor from product_prices where product_id = $1 order by currency', [
    productId
  ])

test('changes of many products are stored together, each with its version, its categories and its event', async () => {
  const products = await Promise.all(['A', 'B', 'C'].map(name => create(name)))
  const { categoryId } = await db.write(createCategory, { body: { name: `Category ${number}` } })
  await db.events()
  await db.database.transact(async tx => {
    const planned: PlannedChange[] = []
    for (const { productId } of products) {
      const locked = await lockProduct(tx, productId)
      const after = patchedProduct(locked.product, { brand: 'Acme', categoryIds: [categoryId] })
      planned.push({ change: changeOf(locked.product, after, locked.at)!, before: locked.product, lastSequence: locked.sequence })
    }
    await storeChanges(tx, planned, { actor: 'somebody', announce: 'everything' })
  })
  const rows = await db.database.query(
    'select version, sequence, brand from products join product_categories using (product_id) where category_id = $1',
    [categoryId]
  )
  assert.deepEqual(rows, Array(3).fill({ version: 2, sequence: 2, brand: 'Acme' }))
  assert.deepEqual(
    (await db.events()).map(event => [event.eventType, event.productId, event.sequence]),
    products.map(({ productId }) => ['ProductUpdated', productId, 2])
  )
})

test('a product that somebody changed meanwhile leaves nothing of the others', async () => {
  const [a, b] = await Promise.all([create('A'), create('B')])
  const stale = { ...b, version: 7 }
  const planned = [a, stale].map(before => ({
    change: changeOf(before, { ...before, brand: 'Acme' }, new Date().toISOString())!,
    before,
    lastSequence: 1
  }))
  await assert.rejects(
    db.database.transact(tx => storeChanges(tx, planned, { actor: 'somebody', announce: 'everything' })),
    { code: 'precondition-failed' }
  )
  assert.deepEqual(await db.database.query('select from products where product_id = $1 and version > 1', [a.productId]), [])
})

test('what a product costs, from and to, follows the prices of its active variants', async () => {
  const product = await create('P', [[price('10'), price('900', 'JPY')], [price('12')], [price('8')]])
  const [first, , third] = product.variants
  assert.deepEqual(await rangesOf(product.productId), [
    { currency: 'EUR', min_minor: 800, max_minor: 1200 },
    { currency: 'JPY', min_minor: 900, max_minor: 900 }
  ])
  await db.write(setPrices, { params: first!, body: { prices: [price('20')] } })
  assert.deepEqual(await rangesOf(product.productId), [{ currency: 'EUR', min_minor: 800, max_minor: 2000 }])
  await db.write(updateVariant, { params: third!, body: { status: 'archived' } })
  assert.deepEqual(await rangesOf(product.productId), [{ currency: 'EUR', min_minor: 1200, max_minor: 2000 }])
  for (const variant of product.variants) await db.write(deleteVariant, { params: variant })
  assert.deepEqual(await rangesOf(product.productId), [])
})
