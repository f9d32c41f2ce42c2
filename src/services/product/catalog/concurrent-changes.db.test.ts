import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { setPrices } from '../pricing/set-prices.ts'
import { createCategory } from './create-category.ts'
import { createProduct } from './create-product.ts'
import { createVariant } from './create-variant.ts'
import { deleteCategory } from './delete-category.ts'
import { deleteProduct } from './delete-product.ts'
import { loadProducts } from './load-products.ts'
import { updateProduct } from './update-product.ts'
import { updateVariant } from './update-variant.ts'

let db: ProductDatabase
let number = 0
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(() => db.events())

const create = () =>
  db.write(createProduct, { body: { title: 'Chair', variants: [{ sku: `C-${++number}`, options: { Colour: 'red' } }] } })
const stored = async ({ productId }: Product): Promise<Product> =>
  JSON.parse((await loadProducts(db.database, [productId]))[0]!.text)

/** How each ended: its value, or the code of its problem. Anything else than a problem fails the test. */
async function outcomes<Value>(attempts: Promise<Value>[]): Promise<(Value | string)[]> {
  const settled = await Promise.allSettled(attempts)
  return settled.map(result => {
    if (result.status === 'fulfilled') return result.value
    if (result.reason instanceof Problem) return result.reason.code
    throw result.reason
  })
}

/** Resolves once so many transactions wait for a lock. */
async function waiting(count: number): Promise<void> {
  const waiters = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  while ((await db.database.query(waiters)).length < count);
}

test('of 64 writers that saw the same version exactly one wins, version after version', async () => {
  const product = await create()
  for (const version of [1, 2, 3]) {
    const patch = (_: unknown, writer: number) =>
      db.write(updateProduct, { params: product, body: { title: `Chair ${version}.${writer}` }, expected: [version] })
    const results = await outcomes(Array.from({ length: 64 }, patch))
    const winners = results.filter(result => typeof result !== 'string')
    assert.equal(winners.length, 1)
    assert.equal(winners[0]!.version, version + 1)
    assert.equal(results.filter(result => result === 'precondition-failed').length, 63)
    assert.deepEqual(await stored(product), winners[0])
  }
  assert.deepEqual(
    (await db.events()).filter(event => event.eventType === 'ProductUpdated').map(event => event.sequence),
    [2, 3, 4]
  )
})

test('changes of different things at once all survive, each with its version and its event', async () => {
  const product = await create()
  const { variantId } = product.variants[0]!
  await db.events()
  await Promise.all([
    db.write(updateProduct, { params: product, body: { title: 'Stool' } }),
    db.write(updateProduct, { params: product, body: { brand: 'Joiner' } }),
    db.write(updateProduct, { params: product, body: { attributes: { legs: 3 } } }),
    db.write(updateVariant, { params: { variantId }, body: { title: 'Red' } }),
    db.write(setPrices, { params: { variantId }, body: { prices: [{ amount: '40', currency: 'EUR' }] } }),
    db.write(createVariant, { params: product, body: { sku: `D-${number}`, options: { Colour: 'blue' } } })
  ])
  const now = await stored(product)
  assert.deepEqual([now.title, now.brand, now.attributes, now.version], ['Stool', 'Joiner', { legs: 3 }, 7])
  assert.deepEqual(
    now.variants.map(({ title, prices, version }) => [title, prices.length, version]),
    [
      ['Red', 1, 3],
      [undefined, 0, 1]
    ]
  )
  const updates = (await db.events()).filter(event => event.eventType === 'ProductUpdated')
  assert.deepEqual(
    updates.map(event => [event.sequence, event.version]),
    [2, 3, 4, 5, 6, 7].map(version => [version, version])
  )
})

test('of many who want one SKU, one gets it and the others hear that it is taken', async () => {
  const [one, two] = [await create(), await create()]
  const sku = `WANTED-${number}`
  const results = await outcomes<unknown>([
    ...Array.from({ length: 8 }, () =>
      db.write(createProduct, { body: { title: 'Racer', variants: [{ sku: `R-${++number}` }, { sku, options: { a: '1' } }] } })
    ),
    db.write(createVariant, { params: one, body: { sku, options: { Colour: 'blue' } } }),
    db.write(updateVariant, { params: two.variants[0]!, body: { sku } })
  ])
  assert.equal(results.filter(result => result === 'sku-taken').length, 9)
  const rows = await db.database.query('select from variants where sku = $1', [sku])
  assert.equal(rows.length, 1)
})

test('requests that want the same SKUs in other orders never wait for one another in a circle', async () => {
  let runs = 0
  const counted: typeof createProduct = (tx, input) => {
    runs++
    return createProduct(tx, input)
  }
  const createSet = (title: string, skus: string[]) =>
    db.write(counted, { body: { title, variants: skus.map(sku => ({ sku, options: { Number: sku } })) } })
  // Somebody holds the SKU in the middle until both have taken what stands before it in their order.
  let results: ReturnType<typeof outcomes> | undefined
  await db.database
    .transact(async tx => {
      await createProduct(tx, db.input({ body: { title: 'Holder', variants: [{ sku: 'N-2' }] } }))
      results = outcomes([createSet('Up', ['N-1', 'N-2', 'N-3']), createSet('Down', ['N-3', 'N-2', 'N-1'])])
      await waiting(2)
      throw new Problem('unavailable')
    })
    .catch(error => assert.equal(error.code, 'unavailable'))
  assert.equal((await results!).filter(result => result === 'sku-taken').length, 1)
  // A deadlock would have been retried.
  assert.equal(runs, 2)
})

test('a variant added twice at once is there once', async () => {
  const product = await create()
  const add = (sku: string) => db.write(createVariant, { params: product, body: { sku, options: { Colour: 'blue' } } })
  const results = await outcomes(['X', 'Y', 'Z'].map(letter => add(`${letter}-${number}`)))
  assert.equal(results.filter(result => result === 'duplicate-options').length, 2)
})

test('a product deleted while others change it is gone, and they hear so', async () => {
  const product = await create()
  const changes = Array.from({ length: 10 }, (_, index) =>
    db.write(updateProduct, { params: product, body: { title: `Chair ${index}` } })
  )
  const results = await outcomes<unknown>([...changes, db.write(deleteProduct, { params: product })])
  assert.ok(results.every(result => typeof result !== 'string' || result === 'not-found'))
  const own = (await db.events()).filter(event => event.productId === product.productId && event.eventType.startsWith('Product'))
  assert.deepEqual(
    own.map(event => event.sequence),
    own.map((_, index) => index + 1)
  )
  assert.equal(own.at(-1)!.eventType, 'ProductDeleted')
})

test('a category is either deleted or has the product, never both', async () => {
  for (let round = 0; round < 10; round++) {
    const category = await db.write(createCategory, { body: { name: `Round ${round}` } })
    const product = await create()
    const body = { categoryIds: [category.categoryId] }
    const results = await outcomes<unknown>([
      db.write(deleteCategory, { params: category }),
      db.write(updateProduct, { params: product, body })
    ])
    const refused = results.filter(result => typeof result === 'string')
    assert.equal(refused.length, 1)
    assert.ok(refused[0] === (results[0] === refused[0] ? 'category-in-use' : 'reference-not-found'))
  }
})
