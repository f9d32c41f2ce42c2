import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { Product } from '#contracts/resources/product.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createProduct } from '../catalog/create-product.ts'
import { deleteProduct } from '../catalog/delete-product.ts'
import { getVariant } from '../catalog/get-variant.ts'
import { loadProducts } from '../catalog/load-products.ts'
import { getPrices } from './get-prices.ts'
import { listPriceHistory } from './list-price-history.ts'
import type { Price } from './price.ts'
import { setPrices } from './set-prices.ts'

let db: ProductDatabase
let product: Product
let variantId: string
let number = 0
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(async () => {
  const variants = [{ sku: `A-${++number}`, prices: [eur('10')] }]
  product = await db.write(createProduct, { body: { title: 'Lamp', variants } })
  variantId = product.variants[0]!.variantId
  await db.events()
})

const eur = (amount: string): Price => ({ amount, currency: 'EUR' })
const set = (prices: Price[], expected: number[] | null = null) =>
  db.write(setPrices, { params: { variantId }, body: { prices }, expected })
const history = (query: { limit?: number; cursor?: string } = {}) => db.read(listPriceHistory, { params: { variantId }, query })

test('prices are replaced: each currency that differs is told, in a new version of variant and product', async () => {
  const prices = await set([{ amount: '1.5', currency: 'KWD' }, eur('10.00'), { amount: '7', currency: 'CHF' }])
  assert.deepEqual(prices, {
    productId: product.productId,
    variantId,
    prices: [{ amount: '7.00', currency: 'CHF' }, eur('10.00'), { amount: '1.500', currency: 'KWD' }],
    version: 2
  })
  assert.deepEqual(await db.read(getPrices, { params: { variantId } }), prices)
  assert.deepEqual((await db.read(getVariant, { params: { variantId } })).prices, prices.prices)
  const [document] = await loadProducts(db.database, [product.productId])
  assert.deepEqual(JSON.parse(document!.text).variants[0].prices, prices.prices)
  assert.deepEqual(
    (await db.events()).map(event => [
      event.eventType,
      event.sequence,
      event.changedFields ?? `${event.oldAmount} ${event.newAmount}`
    ]),
    [
      ['ProductUpdated', 2, ['variants']],
      ['VariantUpdated', 2, ['prices']],
      ['PriceUpdated', 1, 'null 7.00'],
      ['PriceUpdated', 1, 'null 1.500']
    ]
  )
})

test('the same prices, however they are written, change nothing', async () => {
  assert.equal((await set([eur('11'), eur('10.0')])).version, 1)
  assert.deepEqual(await db.events(), [])
  await assert.rejects(set([], [2]), { code: 'precondition-failed' })
})

test('a currency that goes away and comes back goes on counting', async () => {
  for (const prices of [[], [eur('9')], [eur('8.5')]]) await set(prices)
  const events = (await db.events()).filter(event => event.eventType === 'PriceUpdated')
  assert.deepEqual(
    events.map(({ sequence, oldAmount, newAmount }) => [sequence, oldAmount, newAmount]),
    [
      [2, '10.00', null],
      [3, null, '9.00'],
      [4, '9.00', '8.50']
    ]
  )
})

test('the history lists what prices were, latest first, page by page, with who changed them', async () => {
  const largest = { amount: '999999999999.9999', currency: 'CLF' }
  await set([eur('9'), largest])
  await set([eur('8')])
  const first = await history({ limit: 3 })
  const second = await history({ limit: 3, cursor: first.nextCursor! })
  assert.equal(second.nextCursor, null)
  const changes = [...first.data, ...second.data]
  assert.deepEqual(
    changes.map(change => [change.currency, change.oldAmount, change.newAmount, change.actor]),
    [
      ['EUR', '9.00', '8.00', 'merchandiser'],
      ['CLF', '999999999999.9999', null, 'merchandiser'],
      ['EUR', '10.00', '9.00', 'merchandiser'],
      ['CLF', null, '999999999999.9999', 'merchandiser'],
      ['EUR', null, '10.00', 'merchandiser']
    ]
  )
  assert.ok(changes.every(change => !Number.isNaN(Date.parse(change.effectiveAt))))
})

test('a cursor of one variant is not one of another', async () => {
  await set([])
  const { nextCursor } = await history({ limit: 1 })
  const other = await db.write(createProduct, { body: { title: 'Other', variants: [{ sku: `B-${number}` }] } })
  const params = { variantId: other.variants[0]!.variantId }
  await assert.rejects(db.read(listPriceHistory, { params, query: { cursor: nextCursor! } }), { code: 'invalid-cursor' })
})

test('the history cannot be rewritten, and outlives the variant', async () => {
  await db.write(deleteProduct, { params: product })
  const rows = await db.database.query('select from price_changes where variant_id = $1', [variantId])
  assert.equal(rows.length, 1)
  for (const statement of ['update price_changes set new_minor = 1', 'delete from price_changes', 'truncate price_changes']) {
    await assert.rejects(db.database.query(statement), /append-only/)
  }
  await assert.rejects(history(), { code: 'not-found' })
  await assert.rejects(set([]), { code: 'not-found' })
  await assert.rejects(db.read(getPrices, { params: { variantId } }), { code: 'not-found' })
})
