import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Product } from '#contracts/resources/product.ts'
import { createdProduct, type GivenProduct, updatedProduct } from './imported-product.ts'

let id = 0
const making = { at: '2026-11-25T10:00:00.000Z', newId: () => `id-${++id}` }
const create = (given: GivenProduct) => createdProduct(given, 'shoe', making)
const shoe = create({
  title: 'Shoe',
  brand: 'Acme',
  attributes: { material: 'mesh', vegan: true },
  variants: [
    {
      sku: 'A',
      title: 'Small',
      options: { Size: 'S', Colour: 'red' },
      prices: [
        { amount: '10', currency: 'EUR' },
        { amount: '9', currency: 'GBP' }
      ],
      inventory: { onHand: 3 }
    },
    { sku: 'B', options: { Size: 'L', Colour: 'red' } }
  ]
}).product
const update = (given: GivenProduct) => updatedProduct(shoe, given, making)
const variant = (product: Product, sku: string) => product.variants.find(each => each.sku === sku)!

describe('a new product', () => {
  test('needs a title, and says where it is missing', () => {
    assert.throws(() => create({ externalId: 'x' }), {
      extensions: {
        errors: [{ pointer: '#/title', code: 'required', detail: 'a product that is not in the catalog yet needs a title' }]
      }
    })
  })

  test('may say that it has no brand, no barcode, or not an attribute', () => {
    const { product } = create({ title: 'x', brand: null, attributes: { a: null, b: 1 }, variants: [{ sku: 'x', barcode: null }] })
    assert.ok(!('brand' in product) && !('barcode' in product.variants[0]!))
    assert.deepEqual(product.attributes, { b: 1 })
  })

  test('has counting begin where it says', () => {
    const { product, stock } = create({
      title: 'x',
      variants: [
        { sku: 'x', inventory: { onHand: 3, lowStockThreshold: 1 } },
        { sku: 'y', options: { N: '1' } }
      ]
    })
    assert.deepEqual(
      stock.map(({ variantId, onHand, lowStockThreshold }) => [variantId, onHand, lowStockThreshold]),
      [
        [product.variants[0]!.variantId, 3, 1],
        [product.variants[1]!.variantId, 0, null]
      ]
    )
  })

  test('may be archived', () => {
    assert.equal(create({ title: 'x', status: 'archived' }).product.status, 'archived')
  })
})

describe('a product that is there', () => {
  test('keeps what the record leaves out', () => {
    assert.deepEqual(update({}), { product: shoe, stock: [] })
    assert.deepEqual(update({ productId: shoe.productId, version: 7, createdAt: 'x', variants: [{ sku: 'A' }] }).product, shoe)
  })

  test('has members set, attributes merged, and null taken away', () => {
    const { product } = update({ title: 'Boot', brand: null, attributes: { material: 'hide', vegan: null, lined: true } })
    assert.deepEqual([product.title, product.brand, product.attributes], ['Boot', undefined, { material: 'hide', lined: true }])
  })

  test('has variants changed and added by SKU; currencies stay, options are set as a whole', () => {
    const { product, stock } = update({
      variants: [
        { sku: 'A', title: null, options: { Size: 'XS' }, prices: [{ amount: '12', currency: 'EUR' }], inventory: { onHand: 99 } },
        { sku: 'C', options: { Size: 'M' }, inventory: { onHand: 5 } }
      ]
    })
    assert.deepEqual(
      product.variants.map(({ sku }) => sku),
      ['A', 'B', 'C']
    )
    const { title, options, prices } = variant(product, 'A')
    assert.deepEqual(
      [title, options, prices],
      [
        undefined,
        { Size: 'XS' },
        [
          { amount: '12.00', currency: 'EUR' },
          { amount: '9.00', currency: 'GBP' }
        ]
      ]
    )
    // Stock that exists is never changed.
    assert.deepEqual(
      stock.map(({ variantId, onHand }) => [variantId, onHand]),
      [[variant(product, 'C').variantId, 5]]
    )
  })

  test('does not change into what no product may be', () => {
    assert.throws(
      () =>
        update({
          status: 'active',
          variants: [
            { sku: 'A', status: 'archived' },
            { sku: 'B', status: 'archived' }
          ]
        }),
      { code: 'variant-required' }
    )
    assert.throws(() => update({ variants: [{ sku: 'A', options: { Size: 'L', Colour: 'red' } }] }), { code: 'duplicate-options' })
  })
})
