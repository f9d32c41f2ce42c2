import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { CreateProduct, Product } from '#contracts/resources/product.ts'
import type { ProductListQuery } from '#contracts/resources/product-listing.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { stocked } from '../../../../test/support/stock.ts'
import { createAdjustments } from '../inventory/create-adjustments.ts'
import { createReservation } from '../inventory/create-reservation.ts'
import { updateInventory } from '../inventory/update-inventory.ts'
import { setPrices } from '../pricing/set-prices.ts'
import { createCategory } from './create-category.ts'
import { createProduct } from './create-product.ts'
import { listProducts } from './list-products.ts'
import { updateProduct } from './update-product.ts'
import { updateVariant } from './update-variant.ts'

let db: ProductDatabase
const products: Product[] = []
let categoryIds: string[] = []

const eur = (amount: string) => ({ amount, currency: 'EUR' })
const bodies: CreateProduct[] = [
  { title: 'Émile', brand: 'Acme', attributes: { material: 'mesh', weight: 1.5, vegan: true, tags: ['a', 'b'] } },
  { title: 'zebra', brand: 'Acme, Inc.', attributes: { material: 'wool', weight: '1.5', vegan: 'true', 'a:b': 'c=d' } },
  { title: 'Anna', attributes: { material: 'cork', tags: ['b'] } },
  { title: 'anna', brand: 'acme', attributes: { material: '', tags: [] } },
  { title: 'Zoo', status: 'draft', attributes: {} }
]
const prices = [[eur('10'), eur('30')], [eur('20')], [], [eur('30')], [eur('5')]].map(each => each.map(price => [price]))

before(async () => {
  db = await openProductDatabase()
  const top = await db.write(createCategory, { body: { name: 'Top' } })
  const below = await db.write(createCategory, { body: { name: 'Below', parentId: top.categoryId } })
  categoryIds = [top.categoryId, below.categoryId]
  for (const [number, body] of bodies.entries()) {
    const variants = [[], ...prices[number]!].map((prices, index) => ({
      sku: `T-${number}-${index}`,
      options: { N: `${index}` },
      prices
    }))
    const more = { externalId: `erp-${number}`, categoryIds: categoryIds.slice(number), variants }
    products.push(await db.write(createProduct, { body: { status: 'active', ...more, ...body } }))
  }
})
after(() => db[Symbol.asyncDispose]())

type Page = { data: Product[]; nextCursor: string | null }
const list = async (query: ProductListQuery): Promise<Page> => JSON.parse(await db.read(listProducts, { query }))

async function walk(query: ProductListQuery): Promise<Product[]> {
  const found: Product[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Page = await list({ ...query, ...(cursor ? { cursor } : {}) })
    found.push(...page.data)
    cursor = page.nextCursor
  }
  return found
}

const own = new Map<string, number>()
/** The numbers of the products above that are found, one page at a time, in their order. */
async function numbers(query: ProductListQuery): Promise<number[]> {
  for (const [number, { productId }] of products.entries()) own.set(productId, number)
  return (await walk({ limit: 2, ...query })).flatMap(({ productId }) => own.get(productId) ?? [])
}

test('products are listed whole, exactly as they are stored, and oldest first', async () => {
  assert.deepEqual(await walk({ limit: 2 }), products)
  const texts = await db.database.query<{ document: string }>('select document from products order by created_at, product_id')
  assert.equal(
    await db.read(listProducts, { query: {} }),
    `{"data":[${texts.map(row => row.document).join(',')}],"nextCursor":null}`
  )
})

describe('a filter', () => {
  const cases: [string, ProductListQuery | (() => ProductListQuery), number[]][] = [
    ['for a status', { status: ['draft'] }, [4]],
    ['for several statuses', { status: ['draft', 'active'] }, [0, 1, 2, 3, 4]],
    ['for a SKU', { sku: 'T-3-1' }, [3]],
    ['for a SKU in another case', { sku: 't-3-1' }, []],
    ['for a SKU and a status that its product has not', { sku: 'T-3-1', status: ['draft'] }, []],
    ['for several SKUs, of one product too', { skus: ['T-1-0', 'T-1-1', 'T-4-1', 'nobody'] }, [1, 4]],
    ['for a slug', { slug: 'zebra' }, [1]],
    ['for an external id', { externalId: 'erp-2' }, [2]],
    ['for ids', () => ({ ids: [3, 1].map(number => products[number]!.productId) }), [1, 3]],
    ['for a category and what is below it', () => ({ categoryId: categoryIds[0]! }), [0, 1]],
    ['for a category at the bottom', () => ({ categoryId: categoryIds[1]!, brand: ['Acme'] }), [0]],
    ['for a category that is not there', { categoryId: '00000000-0000-7000-8000-000000000000' }, []],
    ['for a brand, in its own case', { brand: ['Acme'] }, [0]],
    ['for several brands, with commas in them', { brand: ['acme', 'Acme, Inc.'] }, [1, 3]],
    ['for an attribute', { attribute: ['material=mesh'] }, [0]],
    ['for one value of an attribute or another', { attribute: ['material=mesh', 'material=cork'] }, [0, 2]],
    ['for two attributes', { attribute: ['material=mesh', 'tags=b'] }, [0]],
    ['for a number by its text', { attribute: ['weight=1.5'] }, [0, 1]],
    ['for a number by another text', { attribute: ['weight=1.50'] }, []],
    ['for a boolean by its text', { attribute: ['vegan=true'] }, [0, 1]],
    ['for a member of a list', { attribute: ['tags=b'] }, [0, 2]],
    ['for an attribute with signs in its name and value', { attribute: ['a:b=c=d'] }, [1]],
    ['for an attribute that is empty', { attribute: ['material='] }, [3]],
    ['for an attribute named like what every object has', { attribute: ['constructor=x'] }, []],
    ['for a least price', { minPrice: '30', currency: 'EUR' }, [0, 3]],
    ['for a greatest price', { maxPrice: '10.00', currency: 'EUR' }, [0, 4]],
    ['for a range of prices', { minPrice: '5', maxPrice: '20', currency: 'EUR' }, [0, 1, 4]],
    [
      'for a range that no variant costs, between two that cost less and more',
      { minPrice: '15', maxPrice: '25', currency: 'EUR' },
      [1]
    ],
    ['for a range upside down', { minPrice: '30', maxPrice: '10', currency: 'EUR' }, []],
    ['for a price in a currency that nothing costs', { minPrice: '0', currency: 'JPY' }, []],
    ['for a price too great for a number', { minPrice: '999999999999.9999', currency: 'CLF' }, []],
    ['for changes since ever', { updatedSince: '1970-01-01T00:00:00Z' }, [0, 1, 2, 3, 4]],
    ['for changes since later', { updatedSince: '9999-12-31T23:59:59.999Z' }, []],
    ['for changes since the last one', () => ({ updatedSince: products[4]!.updatedAt }), [4]],
    [
      'for everything at once',
      () => ({
        ids: [products[0]!.productId],
        skus: ['T-0-0'],
        sku: 'T-0-1',
        slug: 'emile',
        externalId: 'erp-0',
        status: ['active'],
        categoryId: categoryIds[0]!,
        brand: ['Acme'],
        attribute: ['vegan=true'],
        minPrice: '10',
        maxPrice: '10',
        currency: 'EUR',
        inStock: false,
        updatedSince: '2000-01-01T00:00:00+02:00'
      }),
      [0]
    ]
  ]
  for (const [name, query, expected] of cases) {
    test(`${name} finds what it says, in any order`, async () => {
      const asked = typeof query === 'function' ? query() : query
      assert.deepEqual(await numbers(asked), expected)
      for (const sort of ['-createdAt', '-updatedAt', 'title', 'price', '-price'] as const) {
        const found = await numbers({ ...asked, sort, currency: asked.currency ?? 'EUR' })
        assert.deepEqual(found.toSorted(), expected, sort)
      }
    })
  }
})

describe('an order', () => {
  const cases: [NonNullable<ProductListQuery['sort']>, number[]][] = [
    ['createdAt', [0, 1, 2, 3, 4]],
    ['-createdAt', [4, 3, 2, 1, 0]],
    // In lower case and by code points; equals by id.
    ['title', [2, 3, 1, 4, 0]],
    ['-title', [0, 4, 1, 3, 2]],
    // By the cheapest variant; without a price last.
    ['price', [4, 0, 1, 3, 2]],
    ['-price', [3, 1, 0, 4, 2]]
  ]
  for (const [sort, expected] of cases) {
    test(`by ${sort} is kept from page to page`, async () => {
      for (const limit of [1, 2, 3, 4, 5, 6])
        assert.deepEqual(await numbers({ sort, limit, currency: 'EUR' }), expected, `${limit}`)
    })
  }

  test('by updatedAt has what changed last at its end', async () => {
    products[1] = await db.write(updateProduct, { params: { productId: products[1]!.productId }, body: { description: 'New' } })
    assert.deepEqual(await numbers({ sort: 'updatedAt' }), [0, 2, 3, 4, 1])
    assert.deepEqual(await numbers({ sort: '-updatedAt' }), [1, 4, 3, 2, 0])
    assert.deepEqual(await numbers({ updatedSince: products[1]!.updatedAt }), [1])
  })

  test('by price follows the prices of active variants', async () => {
    const variant = products[3]!.variants[1]!
    const params = { variantId: variant.variantId }
    await db.write(setPrices, { params, body: { prices: [eur('1')] } })
    assert.deepEqual(await numbers({ sort: 'price', currency: 'EUR' }), [3, 4, 0, 1, 2])
    await db.write(updateVariant, { params, body: { status: 'archived' } })
    assert.deepEqual(await numbers({ sort: 'price', currency: 'EUR' }), [4, 0, 1, 2, 3])
    assert.deepEqual(await numbers({ maxPrice: '1', currency: 'EUR' }), [])
    await db.write(updateVariant, { params, body: { status: 'active' } })
    await db.write(setPrices, { params, body: { prices: [eur('30')] } })
    assert.deepEqual(await numbers({ sort: 'price', currency: 'EUR' }), [4, 0, 1, 3, 2])
  })

  test('by title has cursors that fit, whatever the titles', async () => {
    const title = '😀'.repeat(200)
    const alike = await Promise.all(
      [0, 1, 2].map(() => db.write(createProduct, { body: { title, externalId: crypto.randomUUID() } }))
    )
    const ids = alike.map(({ productId }) => productId)
    const { nextCursor } = await list({ sort: '-title', limit: 1 })
    assert.ok(nextCursor!.length <= 512, `${nextCursor!.length}`)
    const found = await walk({ sort: 'title', limit: 1, ids })
    assert.deepEqual(
      found.map(product => product.productId),
      ids.toSorted()
    )
  })

  test('of one name is not gone on with in another, nor with other filters; fields and limit may change', async () => {
    const { nextCursor } = await list({ limit: 1, sort: 'title' })
    const cursor = nextCursor!
    for (const other of [
      {},
      { sort: '-title' },
      { sort: 'title', status: ['active'] },
      { sort: 'title', currency: 'EUR' }
    ] as const)
      await assert.rejects(list({ ...other, cursor } as ProductListQuery), { code: 'invalid-cursor' })
    assert.equal((await list({ limit: 3, sort: 'title', fields: ['slug'], cursor })).data.length, 3)
  })
})

test('fields leave of each product what they name, in the order of the contract, with its id and version', async () => {
  const { data } = await list({ fields: ['slug', 'variants', 'title'], limit: 3 })
  for (const [index, listed] of data.entries()) {
    const { productId, title, slug, variants, version } = products[index]!
    assert.equal(JSON.stringify(listed), JSON.stringify({ productId, title, slug, variants, version }))
  }
  assert.deepEqual(Object.keys((await list({ fields: ['externalId', 'version'], limit: 1 })).data[0]!), [
    'productId',
    'externalId',
    'version'
  ])
})

describe('stock', () => {
  const inStock = async (productId: string) => {
    const [yes, no] = await Promise.all([true, false].map(inStock => list({ ids: [productId], inStock })))
    assert.equal(yes!.data.length + no!.data.length, 1)
    return yes!.data.length === 1
  }

  test('is there while one active variant has more than is held or kept back', async () => {
    const { productId, variantId } = await stocked(db, 2)
    assert.equal(await inStock(productId), true)
    await db.write(updateInventory, { params: { variantId }, body: { safetyStock: 2 } })
    assert.equal(await inStock(productId), false)
    await db.write(updateInventory, { params: { variantId }, body: { safetyStock: 0 } })
    await db.write(createAdjustments, { body: { items: [{ variantId, delta: -2, reason: 'damaged' }] } })
    assert.equal(await inStock(productId), false)
  })

  test('that is held is not there, and is again as soon as the deadline has passed, swept or not', async () => {
    const { productId, variantId } = await stocked(db, 1)
    const body = { orderId: crypto.randomUUID(), ttlSeconds: 900, items: [{ variantId, quantity: 1 }] }
    await db.database.transact(tx => createReservation(tx, [db.input({ body })]))
    assert.equal(await inStock(productId), false)
    await db.database.query(`update reservations set expires_at = now() - interval '1 second' where order_id = $1`, [body.orderId])
    assert.equal(await inStock(productId), true)
  })

  test('that is not counted is always there; of an archived variant it is not', async () => {
    const uncounted = { sku: crypto.randomUUID(), inventory: { tracked: false } }
    const { productId, variants } = await db.write(createProduct, { body: { title: 'Voucher', variants: [uncounted] } })
    assert.equal(await inStock(productId), true)
    await db.write(updateVariant, { params: { variantId: variants[0]!.variantId }, body: { status: 'archived' } })
    assert.equal(await inStock(productId), false)
    const { productId: empty } = await db.write(createProduct, { body: { title: 'Empty' } })
    assert.equal(await inStock(empty), false)
  })
})
