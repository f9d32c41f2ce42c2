/** The catalog that tests of size are made on: it is what the API would have written. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Product } from '#contracts/resources/product.ts'
import { checkBody } from '#platform/text/validation.ts'
import { createVariant } from '../src/services/product/catalog/create-variant.ts'
import { priceRangesOf } from '../src/services/product/catalog/price-ranges.ts'
import { updateProduct } from '../src/services/product/catalog/update-product.ts'
import { optionsKeyOf } from '../src/services/product/catalog/variant.ts'
import { setPrices } from '../src/services/product/pricing/set-prices.ts'
import { fillCatalog } from './support/full-catalog.ts'
import { openProductDatabase, type ProductDatabase } from './support/product-database.ts'
import { assertReconciled, reserve } from './support/stock.ts'

let db: ProductDatabase
let products: Product[]
before(async () => {
  db = await openProductDatabase()
  await fillCatalog(db.database, { products: 400, variants: 1000 })
  const rows = await db.database.query<{ document: string }>('select document from products order by product_id')
  products = rows.map(row => JSON.parse(row.document))
  assert.deepEqual(
    rows.map(row => row.document),
    products.map(product => JSON.stringify(product))
  )
})
after(() => db[Symbol.asyncDispose]())

const variantsOf = () => products.flatMap(product => product.variants)

test('its documents are lawful products, of all kinds', () => {
  const check = checkBody(Product)
  for (const product of products) {
    check(product)
    assert.deepEqual(Object.keys(product), Object.keys(Product.properties))
    assert.ok(product.createdAt <= product.updatedAt && product.updatedAt <= new Date().toISOString())
    assert.equal(product.version, product.updatedAt > product.createdAt ? 2 : 1)
  }
  assert.deepEqual([products.length, variantsOf().length], [400, 1000])
  assert.deepEqual(new Set(products.map(product => product.status)), new Set(['active', 'draft', 'archived']))
  assert.ok(new Set(products.map(product => product.brand)).size > 20)
})

test('its rows say what its documents say', async () => {
  const rows = await db.database.query(
    `select product_id, external_id, slug, status, version, sequence, title_key, brand, attributes, created_at, updated_at,
       array(select category_id::text from product_categories c where c.product_id = p.product_id order by category_id) as category_ids
     from products p order by product_id`
  )
  assert.deepEqual(
    rows,
    products.map(
      ({ productId, externalId, slug, status, version, title, brand, attributes, createdAt, updatedAt, categoryIds }) => ({
        product_id: productId,
        external_id: externalId,
        slug,
        status,
        version,
        sequence: version + (status === 'archived' ? 1 : 0),
        title_key: title.toLowerCase(),
        brand,
        attributes,
        created_at: createdAt,
        updated_at: updatedAt,
        category_ids: categoryIds.toSorted()
      })
    )
  )
  const variants = await db.database.query<{ options_key: Buffer }>(
    'select variant_id, product_id, sku, status, options_key from variants order by variant_id'
  )
  assert.deepEqual(
    variants.map(row => ({ ...row, options_key: row.options_key.toString('hex') })),
    variantsOf()
      .toSorted((a, b) => (a.variantId < b.variantId ? -1 : 1))
      .map(variant => ({
        variant_id: variant.variantId,
        product_id: variant.productId,
        sku: variant.sku,
        status: variant.status,
        options_key: createHash('sha256').update(optionsKeyOf(variant)).digest('hex')
      }))
  )
})

test('its prices are in the history, and what they go from and to beside the products', async () => {
  const history = await db.database.query<{ variant_id: string; currency: string; new_minor: number }>(
    'select variant_id, currency, new_minor from price_changes order by variant_id, currency'
  )
  assert.deepEqual(
    history,
    variantsOf()
      .toSorted((a, b) => (a.variantId < b.variantId ? -1 : 1))
      .flatMap(({ variantId, prices }) =>
        prices.map(({ currency, amount }) => ({ variant_id: variantId, currency, new_minor: Number(amount.replace('.', '')) }))
      )
  )
  const ranges = await db.database.query('select * from product_prices order by product_id, currency')
  assert.deepEqual(
    ranges,
    products.flatMap(product =>
      [...priceRangesOf(product).values()].map(({ currency, minMinor, maxMinor }) => ({
        product_id: product.productId,
        currency,
        min_minor: Number(minMinor),
        max_minor: Number(maxMinor)
      }))
    )
  )
  assert.ok(ranges.length > 500)
})

test('its stock is explained by the ledger', async () => {
  await assertReconciled(db)
  const [counted] = await db.database.query(
    `select count(*) filter (where on_hand = 0) > 50 as sold_out, count(*) filter (where on_hand > 0) > 800 as stocked,
       count(*) filter (where l.version <> 1 + (on_hand > 0)::int) as wrong from stock_levels l join stock_items using (variant_id)`
  )
  assert.deepEqual(counted, { sold_out: true, stocked: true, wrong: 0 })
})

test('its products are changed, priced and reserved like any other', async () => {
  const product = products.find(({ status, variants }) => status === 'active' && variants.length > 1)!
  const params = { productId: product.productId }
  assert.equal((await db.write(updateProduct, { params, body: { title: 'New' } })).version, product.version + 1)
  await db.write(createVariant, { params, body: { sku: 'NEW', options: { Size: '50' }, prices: [] } })
  const prices = [{ amount: '1.00', currency: 'EUR' }]
  await db.write(setPrices, { params: { variantId: product.variants[0]!.variantId }, body: { prices } })
  const [stocked] = await db.database.query<{ variant_id: string }>(
    `select variant_id from stock_levels join variants using (variant_id) join products p using (product_id)
     where on_hand > 0 and p.status = 'active' limit 1`
  )
  assert.equal(((await reserve(db, [{ variantId: stocked!.variant_id, quantity: 1 }])) as { status: unknown }).status, 'reserved')
  await assertReconciled(db)
})
