import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { CreateVariant, Product, UpdateVariant } from '#contracts/resources/product.ts'
import { type AnnouncedEvent, openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createProduct } from './create-product.ts'
import { createVariant } from './create-variant.ts'
import { deleteVariant } from './delete-variant.ts'
import { getVariant } from './get-variant.ts'
import { loadProducts } from './load-products.ts'
import { updateVariant } from './update-variant.ts'

let db: ProductDatabase
let product: Product
let variantId: string
let number = 0
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(async () => {
  const variants = [{ sku: `A-${++number}`, options: { Size: 'S' }, attributes: { weight: 1 } }]
  product = await db.write(createProduct, { body: { title: 'Shirt', status: 'active', variants } })
  variantId = product.variants[0]!.variantId
  await db.events()
})

const add = (body: CreateVariant) => db.write(createVariant, { params: product, body })
const patch = (body: UpdateVariant, expected: number[] | null = null) =>
  db.write(updateVariant, { params: { variantId }, body, expected })
const stored = async (): Promise<Product> => JSON.parse((await loadProducts(db.database, [product.productId]))[0]!.text)
const told = (events: AnnouncedEvent[]) =>
  events
    .filter(event => !event.eventType.startsWith('Inventory'))
    .map(({ eventType, sequence, changedFields }) => [eventType, sequence, ...(changedFields ? [changedFields.sort().join()] : [])])

test('a new variant is one version more of its product, which lists its options', async () => {
  const variant = await add({ sku: `B-${number}`, options: { Size: 'M', Fit: 'slim' }, prices: [{ amount: '5', currency: 'EUR' }] })
  assert.deepEqual(await db.read(getVariant, { params: variant }), variant)
  const now = await stored()
  assert.deepEqual(now.variants, [product.variants[0], variant])
  assert.deepEqual(now.options, [
    { name: 'Size', values: ['S', 'M'] },
    { name: 'Fit', values: ['slim'] }
  ])
  assert.equal(now.version, 2)
  assert.deepEqual(told(await db.events()), [
    ['ProductUpdated', 2, 'options,variants'],
    ['VariantCreated', 1],
    ['PriceUpdated', 1]
  ])
})

test('a SKU that another variant has, and options that a sibling has, are refused', async () => {
  const sku = product.variants[0]!.sku
  await assert.rejects(add({ sku, options: { Size: 'L' } }), { code: 'sku-taken', extensions: { sku } })
  await assert.rejects(add({ sku: 'C', options: { Size: 'S' } }), { code: 'duplicate-options' })
  const other = await db.write(createProduct, {
    body: { title: 'Other', variants: [{ sku: `O-${number}`, options: { Size: 'S' } }] }
  })
  await assert.rejects(patch({ sku: other.variants[0]!.sku }), { code: 'sku-taken', extensions: { sku: other.variants[0]!.sku } })
  const params = { productId: '00000000-0000-7000-8000-000000000000' }
  await assert.rejects(db.write(createVariant, { params, body: { sku: 'D' } }), { code: 'not-found' })
})

test('a patch of a variant merges its options and attributes, and is one version of it and of its product', async () => {
  const patched = await patch({
    title: 'Small',
    options: { Fit: 'slim' },
    attributes: { weight: null, tags: ['x'] },
    barcode: null
  })
  const expected = {
    ...product.variants[0]!,
    title: 'Small',
    options: { Size: 'S', Fit: 'slim' },
    attributes: { tags: ['x'] },
    version: 2,
    updatedAt: patched.updatedAt
  }
  assert.deepEqual(patched, expected)
  assert.deepEqual((await stored()).variants, [expected])
  assert.deepEqual(told(await db.events()), [
    ['ProductUpdated', 2, 'options,variants'],
    ['VariantUpdated', 2, 'attributes,options,title']
  ])
  assert.deepEqual((await patch({ options: { Size: null } })).options, { Fit: 'slim' })
})

test('a patch that changes nothing announces nothing; one for another version is refused', async () => {
  assert.deepEqual(await patch({ options: { Size: 'S' }, title: null, status: 'active' }, [1]), product.variants[0])
  assert.deepEqual(await db.events(), [])
  assert.deepEqual(await stored(), product)
  await assert.rejects(patch({ title: 'x' }, [2]), { code: 'precondition-failed', extensions: { currentVersion: 1 } })
  await assert.rejects(db.write(deleteVariant, { params: { variantId }, expected: [2] }), { code: 'precondition-failed' })
})

test('an active product keeps an active variant', async () => {
  await assert.rejects(patch({ status: 'archived' }), { code: 'variant-required' })
  await assert.rejects(db.write(deleteVariant, { params: { variantId } }), { code: 'variant-required' })
  const other = await add({ sku: `B-${number}`, options: { Size: 'M' } })
  assert.equal((await patch({ status: 'archived' })).status, 'archived')
  await assert.rejects(db.write(deleteVariant, { params: other }), { code: 'variant-required' })
})

test('deleting a variant frees its SKU and its options, and is told', async () => {
  const other = await add({ sku: `B-${number}`, options: { Size: 'M' } })
  await db.events()
  assert.equal(await db.write(deleteVariant, { params: other }), undefined)
  assert.deepEqual(told(await db.events()), [
    ['ProductUpdated', 3, 'variants'],
    ['VariantDeleted', 2]
  ])
  assert.deepEqual((await stored()).variants, product.variants)
  await assert.rejects(db.read(getVariant, { params: other }), { code: 'not-found' })
  await assert.rejects(db.write(deleteVariant, { params: other }), { code: 'not-found' })
  assert.notEqual((await add({ sku: other.sku, options: other.options })).variantId, other.variantId)
})
