import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { CreateProduct, Product, UpdateProduct } from '#contracts/resources/product.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { archiveProduct } from './archive-product.ts'
import { createCategory } from './create-category.ts'
import { createProduct } from './create-product.ts'
import { deleteProduct } from './delete-product.ts'
import { loadProducts } from './load-products.ts'
import { updateProduct } from './update-product.ts'

let db: ProductDatabase
let product: Product
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())

let number = 0
const create = (body: Partial<CreateProduct> = {}) =>
  db.write(createProduct, {
    body: {
      title: 'Mug',
      description: 'A mug',
      attributes: { material: 'clay', tags: ['new'] },
      variants: [{ sku: `MUG-${number++}` }],
      ...body
    }
  })
const patch = (body: UpdateProduct, expected: number[] | null = null) =>
  db.write(updateProduct, { params: { productId: product.productId }, body, expected })

beforeEach(async () => {
  product = await create()
  await db.events()
  db.changed.length = 0
})

test('a patch merges: null removes, attributes merge by name, lists are replaced, the rest stays', async () => {
  const patched = await patch({
    title: 'Big mug',
    description: null,
    brand: 'Potter',
    attributes: { material: null, volume: 0.4 },
    media: [{ url: 'https://example.com/1.jpg', alt: 'front' }]
  })
  const { description, ...rest } = product
  assert.deepEqual(patched, {
    ...rest,
    title: 'Big mug',
    brand: 'Potter',
    attributes: { tags: ['new'], volume: 0.4 },
    media: [{ url: 'https://example.com/1.jpg', alt: 'front' }],
    version: 2,
    updatedAt: patched.updatedAt
  })
  const [stored] = await loadProducts(db.database, [product.productId])
  assert.deepEqual([stored!.version, JSON.parse(stored!.text)], [2, patched])
  const [updated, ...more] = await db.events()
  const { eventId, eventType, eventVersion, source, sequence, timestamp, changedFields, ...state } = updated!
  assert.deepEqual(more, [])
  assert.deepEqual([eventType, sequence], ['ProductUpdated', 2])
  assert.deepEqual(changedFields.sort(), ['attributes', 'brand', 'description', 'media', 'title'])
  assert.deepEqual(state, patched)
  assert.deepEqual(db.changed, [product.productId])
})

test('a patch that changes nothing changes no version, writes nothing and announces nothing', async () => {
  const [before] = await db.database.query('select xmin::text from products where product_id = $1', [product.productId])
  const same = await patch({
    title: 'Mug',
    attributes: { tags: ['new'], missing: null },
    brand: null,
    status: 'draft',
    options: []
  })
  assert.deepEqual(same, product)
  const [after] = await db.database.query('select xmin::text from products where product_id = $1', [product.productId])
  // A lock alone marks the row's xmax, never its xmin.
  assert.deepEqual(after, before)
  assert.deepEqual(await db.events(), [])
  assert.deepEqual(db.changed, [])
})

test('a write meant for another version is refused with the current one', async () => {
  await patch({ title: 'Bowl' }, [1])
  const stale = { code: 'precondition-failed', extensions: { currentVersion: 2 } }
  await assert.rejects(patch({ title: 'Cup' }, [1]), stale)
  await assert.rejects(patch({ title: 'Bowl' }, []), stale)
  await assert.rejects(db.write(archiveProduct, { params: product, expected: [1] }), stale)
  await assert.rejects(db.write(deleteProduct, { params: product, expected: [1] }), stale)
  assert.equal((await patch({ title: 'Cup' }, [1, 2])).version, 3)
})

test('status goes from draft to active to archived and back to active, and no other way', async () => {
  const statuses = async (status: 'draft' | 'active' | 'archived') => (await patch({ status })).status
  assert.equal(await statuses('active'), 'active')
  await assert.rejects(patch({ status: 'draft' }), { code: 'illegal-transition' })
  await assert.rejects(db.write(deleteProduct, { params: product }), { code: 'illegal-transition' })
  assert.equal(await statuses('archived'), 'archived')
  await assert.rejects(patch({ status: 'draft' }), { code: 'illegal-transition' })
  assert.equal(await statuses('active'), 'active')
  assert.equal((await db.write(archiveProduct, { params: product })).status, 'archived')
})

test('archiving is told once, after the update that it is; archiving again is answered and changes nothing', async () => {
  const archived = await db.write(archiveProduct, { params: product })
  assert.deepEqual([archived.status, archived.version], ['archived', 2])
  const events = await db.events()
  assert.deepEqual(
    events.map(event => [event.eventType, event.sequence]),
    [
      ['ProductUpdated', 2],
      ['ProductArchived', 3]
    ]
  )
  assert.deepEqual(events[0]!.changedFields, ['status'])
  assert.deepEqual(events[1]!.variantIds, [product.variants[0]!.variantId])
  assert.deepEqual(await db.write(archiveProduct, { params: product }), archived)
  assert.deepEqual(await db.events(), [])
  await patch({ title: 'Kept' })
  assert.deepEqual(
    (await db.events()).map(event => [event.eventType, event.sequence, event.version]),
    [['ProductUpdated', 4, 3]]
  )
})

test('a product without an active variant cannot become active', async () => {
  product = await create({ variants: [] })
  await assert.rejects(patch({ status: 'active' }), { code: 'variant-required' })
})

test('categories are replaced; one that does not exist is refused by name', async () => {
  const [one, two] = await Promise.all(['One', 'Two'].map(name => db.write(createCategory, { body: { name } })))
  await patch({ categoryIds: [one!.categoryId] })
  assert.deepEqual((await patch({ categoryIds: [two!.categoryId, one!.categoryId] })).categoryIds, [
    two!.categoryId,
    one!.categoryId
  ])
  assert.deepEqual((await patch({ categoryIds: [two!.categoryId] })).categoryIds, [two!.categoryId])
  const linked = await db.database.query('select category_id from product_categories where product_id = $1', [product.productId])
  assert.deepEqual(linked, [{ category_id: two!.categoryId }])
  const nowhere = '00000000-0000-7000-8000-000000000000'
  await assert.rejects(patch({ categoryIds: [one!.categoryId, nowhere] }), {
    code: 'reference-not-found',
    extensions: { categoryIds: [nowhere] }
  })
  assert.deepEqual((await patch({ categoryIds: [] })).categoryIds, [])
})

test('a slug or external id that another product has is refused by name', async () => {
  const other = await create({ slug: 'other', externalId: 'erp-1' })
  await assert.rejects(patch({ slug: 'other' }), { code: 'slug-taken', extensions: { slug: 'other' } })
  await assert.rejects(patch({ externalId: 'erp-1' }), { code: 'external-id-taken', extensions: { externalId: 'erp-1' } })
  await db.write(updateProduct, { params: other, body: { externalId: null, slug: 'another' } })
  assert.equal((await patch({ slug: 'other', externalId: 'erp-1' })).slug, 'other')
})

test('options that variants use stay listed, and what a product may hold has limits', async () => {
  product = await create({ variants: [{ sku: 'RED', options: { Colour: 'red' } }] })
  const patched = await patch({
    options: [
      { name: 'Size', values: ['S'] },
      { name: 'Size', values: ['M'] }
    ]
  })
  assert.deepEqual(patched.options, [
    { name: 'Size', values: ['S', 'M'] },
    { name: 'Colour', values: ['red'] }
  ])
  const five = ['a', 'b', 'c', 'd', 'e'].map(name => ({ name, values: [] }))
  await assert.rejects(patch({ options: five }), { code: 'invalid-request' })
  const attributes = Object.fromEntries(Array.from({ length: 99 }, (_, index) => [`a${index}`, index]))
  await assert.rejects(patch({ attributes }), { code: 'invalid-request' })
})

test('what does not exist is not found', async () => {
  const params = { productId: '00000000-0000-7000-8000-000000000000' }
  await assert.rejects(db.write(updateProduct, { params, body: {} }), { code: 'not-found' })
  await assert.rejects(db.write(archiveProduct, { params }), { code: 'not-found' })
})
