import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { CreateProduct } from '#contracts/resources/product.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createCategory } from './create-category.ts'
import { createProduct } from './create-product.ts'
import { deleteProduct } from './delete-product.ts'
import { loadProducts } from './load-products.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(() => db.events())

const create = (body: CreateProduct) => db.write(createProduct, { body })

const shoe = {
  title: 'Trail shoe',
  variants: [
    { sku: 'SHOE-41', options: { Size: '41' }, prices: [{ amount: '89.9', currency: 'EUR' }] },
    { sku: 'SHOE-42', options: { Size: '42' }, inventory: { onHand: 10, lowStockThreshold: 5 } }
  ]
}

test('a product comes back whole: ids, defaults, the options its variants use, exact decimals, version 1', async () => {
  const product = await create({
    title: 'Étui à lunettes',
    status: 'active',
    description: 'A case',
    options: [{ name: 'Colour', values: ['red'] }],
    media: [{ url: 'https://example.com/case.jpg' }],
    attributes: { material: 'felt', weight: 0.2, tags: ['new'] },
    variants: [
      {
        sku: 'CASE-1',
        options: { Colour: 'blue', Lining: 'silk' },
        barcode: '4006381333931',
        prices: [
          { amount: '12', currency: 'USD' },
          { amount: '1200', currency: 'JPY' },
          { amount: '9.5', currency: 'EUR' },
          { amount: '10.5', currency: 'EUR' }
        ]
      }
    ]
  })
  const [variant] = product.variants
  const { productId, createdAt } = product
  assert.deepEqual(product, {
    productId,
    title: 'Étui à lunettes',
    slug: 'etui-a-lunettes',
    status: 'active',
    description: 'A case',
    categoryIds: [],
    attributes: { material: 'felt', weight: 0.2, tags: ['new'] },
    media: [{ url: 'https://example.com/case.jpg' }],
    options: [
      { name: 'Colour', values: ['red', 'blue'] },
      { name: 'Lining', values: ['silk'] }
    ],
    variants: [
      {
        variantId: variant!.variantId,
        productId,
        sku: 'CASE-1',
        status: 'active',
        options: { Colour: 'blue', Lining: 'silk' },
        barcode: '4006381333931',
        attributes: {},
        prices: [
          { amount: '10.50', currency: 'EUR' },
          { amount: '1200', currency: 'JPY' },
          { amount: '12.00', currency: 'USD' }
        ],
        version: 1,
        createdAt,
        updatedAt: createdAt
      }
    ],
    version: 1,
    createdAt,
    updatedAt: createdAt
  })
  assert.deepEqual(await loadProducts(db.database, [productId]), [{ id: productId, version: 1, text: JSON.stringify(product) }])
  assert.ok(db.changed.includes(productId))
})

test('its events tell of the product, then of each variant and its prices, then of opening stock', async () => {
  const product = await create(shoe)
  const events = await db.events()
  assert.deepEqual(
    events.slice(0, 4).map(event => [event.eventType, event.sequence, event.sku ?? event.currency]),
    [
      ['ProductCreated', 1, undefined],
      ['VariantCreated', 1, 'SHOE-41'],
      ['PriceUpdated', 1, 'EUR'],
      ['VariantCreated', 1, 'SHOE-42']
    ]
  )
  assert.ok(events.slice(4).every(event => event.eventType === 'InventoryUpdated'))
  const { eventId, eventType, eventVersion, source, sequence, timestamp, ...state } = events[0]!
  assert.deepEqual(state, product)
  const { oldAmount, newAmount, variantId } = events[2]!
  assert.deepEqual(
    { oldAmount, newAmount, variantId },
    { oldAmount: null, newAmount: '89.90', variantId: product.variants[0]!.variantId }
  )
  await db.write(deleteProduct, { params: { productId: product.productId } })
})

test('a slug made from the title gives way to one that is taken; one that was asked for is refused', async () => {
  assert.equal((await create({ title: 'Plain mug' })).slug, 'plain-mug')
  assert.equal((await create({ title: 'Plain  Mug!' })).slug, 'plain-mug-2')
  assert.equal((await create({ title: 'マグカップ' })).slug, 'product')
  await assert.rejects(create({ title: 'Other', slug: 'plain-mug' }), { code: 'slug-taken', extensions: { slug: 'plain-mug' } })
  const racing = await Promise.all(Array.from({ length: 12 }, () => create({ title: 'Plain mug' })))
  assert.equal(new Set(racing.map(product => product.slug)).size, 12)
  assert.deepEqual(
    racing.map(product => Number(product.slug.slice('plain-mug-'.length))).sort((a, b) => a - b),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
  )
})

test('what another product has is refused by name, and nothing is left of the attempt', async () => {
  const first = await create({ ...shoe, externalId: 'erp-7' })
  await db.events()
  await assert.rejects(create({ title: 'Other', variants: [{ sku: 'NEW' }, { sku: 'SHOE-42', options: { a: 'b' } }] }), {
    code: 'sku-taken',
    extensions: { sku: 'SHOE-42' }
  })
  await assert.rejects(create({ title: 'Other', externalId: 'erp-7' }), {
    code: 'external-id-taken',
    extensions: { externalId: 'erp-7' }
  })
  await assert.rejects(create({ title: 'Other', variants: [{ sku: 'A' }, { sku: 'A', options: { a: 'b' } }] }), {
    code: 'sku-taken',
    extensions: { sku: 'A' }
  })
  await assert.rejects(create({ title: 'Other', variants: [{ sku: 'A' }, { sku: 'B' }] }), { code: 'duplicate-options' })
  await assert.rejects(create({ title: 'Other', status: 'active' }), { code: 'variant-required' })
  const nowhere = '00000000-0000-7000-8000-000000000000'
  const { categoryId } = await db.write(createCategory, { body: { name: 'Shoes' } })
  await db.events()
  await assert.rejects(create({ title: 'Other', categoryIds: [categoryId, nowhere] }), {
    code: 'reference-not-found',
    extensions: { categoryIds: [nowhere] }
  })
  assert.deepEqual(await db.events(), [])
  const rows = await db.database.query(`select from products where slug = 'other'`)
  assert.equal(rows.length, 0)
  await db.write(deleteProduct, { params: { productId: first.productId } })
})

test('a product larger than an event can be is refused, not an error', async () => {
  const attributes = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`a${index}`, 'x'.repeat(2000)]))
  const variants = ['1', '2'].map(size => ({ sku: `BIG-${size}`, options: { Size: size }, attributes }))
  await assert.rejects(create({ title: 'Big', variants }), { code: 'payload-too-large' })
})

test('deleting frees the slug, the external id and the SKUs, and tells of every variant', async () => {
  const body = { ...shoe, slug: 'shoe', externalId: 'erp-8' }
  const { productId, variants } = await create(body)
  await db.events()
  assert.equal(await db.write(deleteProduct, { params: { productId } }), undefined)
  const events = (await db.events()).filter(event => !event.eventType.startsWith('Inventory'))
  assert.deepEqual(
    events.map(({ eventType, sequence, variantId }) => [eventType, sequence, variantId]),
    [
      ['ProductDeleted', 2, undefined],
      ['VariantDeleted', 2, variants[0]!.variantId],
      ['VariantDeleted', 2, variants[1]!.variantId]
    ]
  )
  assert.deepEqual(
    events[0]!.variantIds,
    variants.map(variant => variant.variantId)
  )
  await assert.rejects(db.write(deleteProduct, { params: { productId } }), { code: 'not-found' })
  assert.deepEqual(await loadProducts(db.database, [productId]), [])
  const again = await create(body)
  assert.notEqual(again.productId, productId)
  await db.write(deleteProduct, { params: { productId: again.productId } })
})
