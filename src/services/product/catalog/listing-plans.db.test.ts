/** What a page costs, by the plans and the pages of memory that PostgreSQL says it took: no clock is in it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ProductListQuery } from '#contracts/resources/product-listing.ts'
import type { Key } from '#platform/http/cursor.ts'
import { fillCatalog } from '../../../../test/support/full-catalog.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { listProducts } from './list-products.ts'
import { ordersOf } from './listing-orders.ts'
import { statementOf } from './listing-statement.ts'
import { openWalk } from './listing-walk.ts'

const PRODUCTS = 20_000

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
  await fillCatalog(db.database, { products: PRODUCTS, variants: 2 * PRODUCTS })
})
after(() => db[Symbol.asyncDispose]())

type Node = {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Shared Hit Blocks'?: number
  'Shared Read Blocks'?: number
  Plans?: Node[]
}

/** Every node of a plan, the outermost first. */
const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)]

async function explain(query: ProductListQuery, after: Key | null = null, options = 'analyze, buffers'): Promise<Node[]> {
  const { text, values } = statementOf(ordersOf(query)[0]!, query, after, { limit: 21, examinedMax: 63 })
  const given = options === 'generic_plan' ? [] : values
  const [row] = await db.database.queryAfresh<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `explain (${options}, format json) ${text}`,
    given
  )
  return nodesOf(row!['QUERY PLAN'][0].Plan)
}

const blocksOf = ([outermost]: Node[]) => outermost!['Shared Hit Blocks']! + outermost!['Shared Read Blocks']!
const indexesOf = (nodes: Node[]) => nodes.flatMap(node => node['Index Name'] ?? [])

/** Where the n-th product of an order ends. */
async function keyAfter(query: ProductListQuery, count: number): Promise<Key> {
  const walk = await openWalk(db.database, query)
  let after: Key | null = null
  for (let seen = 0; seen < count; seen += 1000) {
    const { rows } = await walk(after, 1000)
    after = [rows.at(-1)!.key, rows.at(-1)!.product_id]
  }
  return after!
}

const orders = {
  createdAt: 'products_created_at',
  updatedAt: 'products_updated_at',
  title: 'products_title_key',
  price: 'product_prices_min_minor'
}

for (const [name, index] of Object.entries(orders)) {
  for (const sort of [name, `-${name}`] as NonNullable<ProductListQuery['sort']>[]) {
    describe(`the order by ${sort}`, () => {
      const query: ProductListQuery = { sort, ...(name === 'price' && { currency: 'EUR' as const }) }

      test('is read from its index: nothing is sorted, and no table is read whole', async () => {
        const deep = await keyAfter(query, PRODUCTS / 2)
        const plans = [
          await explain(query),
          await explain(query, deep),
          // The statements are kept: after some time they are planned once for all values.
          await explain(query, null, 'generic_plan'),
          await explain(query, deep, 'generic_plan')
        ]
        for (const nodes of plans) {
          assert.ok(indexesOf(nodes).includes(index), JSON.stringify(nodes, null, 1))
          assert.deepEqual(
            nodes.map(node => node['Node Type']).filter(type => /Sort|Seq Scan|Bitmap|Hash/.test(type)),
            []
          )
        }
      })

      test('costs no more on page 900 than on page 1', async () => {
        const first = blocksOf(await explain(query))
        const deep = blocksOf(await explain(query, await keyAfter(query, 18_000)))
        // Each of 21 rows is in a block of its own at worst, at the end of a path of three through an index.
        for (const blocks of [first, deep]) assert.ok(blocks <= 21 * 4 + 5, `${first} blocks, then ${deep}`)
      })
    })
  }
}

describe('a filter that few products pass', () => {
  const cases: [string, ProductListQuery, string][] = [
    ['SKU', { sku: 'FULL-777-2' }, 'variants_sku_key'],
    ['SKUs', { skus: ['FULL-777-2', 'FULL-15000-1', 'FULL-3-1'] }, 'variants_sku_key'],
    ['external id', { externalId: 'full-777' }, 'products_external_id_key'],
    ['slug', { slug: 'nothing' }, 'products_slug_key'],
    ['ids', { ids: ['01990000-0000-7000-8000-000000000000'] }, 'products_pkey'],
    ['brand', { brand: ['Brand 1'] }, 'products_brand'],
    ['attribute', { attribute: ['weightGrams=1234'] }, 'products_attributes'],
    ['updated since', { updatedSince: '2999-01-01T00:00:00Z' }, 'products_updated_at'],
    ['greatest price', { maxPrice: '5.01', currency: 'EUR' }, 'product_prices_min_minor'],
    ['status and brand', { status: ['archived'], brand: ['Brand 3'] }, 'products_brand']
  ]
  for (const [name, query, index] of cases) {
    test(`(${name}) is answered by its index, in whatever order`, async () => {
      for (const sort of ['createdAt', 'title', '-updatedAt'] as const) {
        const nodes = await explain({ ...query, sort })
        assert.ok(indexesOf(nodes).includes(index), JSON.stringify(nodes, null, 1))
        assert.ok(!nodes.some(node => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === 'products'))
        assert.ok(blocksOf(nodes) < 500, `${blocksOf(nodes)} blocks`)
      }
    })
  }
})

describe('a filter that many products pass', () => {
  const cases: [string, ProductListQuery][] = [
    ['status', { status: ['active'] }],
    ['attribute', { attribute: ['material=mesh'] }],
    ['least price', { minPrice: '0', currency: 'EUR' }],
    ['stock', { inStock: true }]
  ]
  for (const [name, query] of cases) {
    test(`(${name}) is found on the way through the order`, async () => {
      for (const sort of ['createdAt', 'title', '-updatedAt'] as const) {
        const nodes = await explain({ ...query, sort })
        assert.ok(!nodes.some(node => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === 'products'))
        assert.ok(blocksOf(nodes) < 2000, `${blocksOf(nodes)} blocks`)
      }
    })
  }
})

test('a page for stock looks at a bounded number of products when all is sold out, and says where to go on', async () => {
  await db.database.query('update stock_levels set reserved = on_hand')
  const list = async (query: ProductListQuery) => JSON.parse(await db.read(listProducts, { query }))
  let pages = 0
  for (let cursor: string | null = ''; cursor !== null; pages++) {
    const page: { data: unknown[]; nextCursor: string | null } = await list({
      inStock: true,
      sort: 'title',
      ...(cursor && { cursor })
    })
    assert.deepEqual(page.data, [])
    cursor = page.nextCursor
  }
  assert.ok(pages >= 9 && pages <= 11, `${pages} pages`)
  assert.equal((await list({ inStock: false, limit: 100 })).data.length, 100)
})

test('among many variants a SKU is found by index', async () => {
  const query = { sku: 'FULL-19999-1' }
  const { data } = JSON.parse(await db.read(listProducts, { query }))
  assert.equal(data[0].externalId, 'full-19999')
  assert.ok(blocksOf(await explain(query)) <= 12)
})
