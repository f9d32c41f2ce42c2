import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { InventoryUpdated } from '#contracts/events/inventory-events.ts'
import {
  CategoryCreated,
  CategoryUpdated,
  ProductArchived,
  ProductCreated,
  ProductDeleted,
  ProductUpdated
} from '#contracts/events/product-events.ts'
import type { SearchHit } from '#contracts/resources/search.ts'
import { newId } from '#platform/id.ts'
import { type RunningService, runService } from '../../../test/support/service.ts'
import { searchService } from './service.ts'

const at = '2026-01-01T00:00:00.000Z'
const stamps = { version: 1, createdAt: at, updatedAt: at }

type Sold = { sku: string; prices?: [string, string][]; status?: 'active' | 'archived' }

function product(changes: Record<string, unknown> = {}, sold: Sold[] = [{ sku: `SKU-${newId().slice(-8)}` }]) {
  const productId = (changes.productId as string) ?? newId()
  const variants = sold.map(({ sku, prices = [], status = 'active' }) => ({
    ...{ variantId: newId(), productId, sku, status, options: {}, attributes: {}, ...stamps },
    prices: prices.map(([amount, currency]) => ({ amount, currency }))
  }))
  const empty = { categoryIds: [] as string[], attributes: {}, media: [], options: [] }
  return { productId, title: 'Thing', slug: 'thing', status: 'active', ...empty, variants, ...stamps, ...changes }
}

function category(name: string, changes: Record<string, unknown> = {}) {
  const categoryId = newId()
  return { categoryId, parentId: null, name, slug: 'a-category', path: [categoryId], ...stamps, ...changes }
}

describe('the search service', () => {
  let service: RunningService
  before(async () => {
    service = await runService(searchService)
  })
  after(() => service[Symbol.asyncDispose]())

  const search = async (query: Record<string, string>) => {
    const reply = await service.request('GET', `/v1/search?${new URLSearchParams(query)}`)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return reply.body
  }
  const titles = async (query: Record<string, string>) => (await search(query)).data.map((hit: SearchHit) => hit.title) as string[]
  const create = async (changes: Record<string, unknown>, sold?: Sold[]) => {
    const made = product(changes, sold)
    await service.deliver(ProductCreated, made)
    return made
  }
  const setStock = (productId: string, variantId: string, availableQuantity: number, sequence = 1, locationId = newId()) => {
    const counters = { onHand: 9, reserved: 0, deltaOnHand: 0, deltaReserved: 0 }
    return service.deliver(InventoryUpdated, { productId, variantId, locationId, ...counters, availableQuantity, sequence })
  }

  test('a product is found by words, beginnings of words, its brand and its description, all of them together', async () => {
    await create({ title: 'Zephyr Läufer', brand: 'Gale', description: 'Runs in the rain' })
    for (const q of ['zephyr', 'ZEPH', 'laufer', 'läu', 'gale', 'rain zeph', 'zephyr gale runs in']) {
      assert.deepEqual(await titles({ q }), ['Zephyr Läufer'], q)
    }
    for (const q of ['zephyr snow', 'ephyr', 'galex']) assert.deepEqual(await titles({ q }), [], q)
  })

  test('a product is found by SKU and the beginning of a SKU, an exact SKU first', async () => {
    await create({ title: 'Nimbus case' }, [{ sku: 'NIM-100/b-2' }, { sku: 'NIM-100' }])
    await create({ title: 'NIM 100 NIM 100 poster', brand: 'NIM 100', description: 'Like NIM-100' }, [{ sku: 'NIM-1000' }])
    assert.deepEqual(await titles({ q: 'nim-100/B-2' }), ['Nimbus case'])
    assert.deepEqual((await titles({ q: 'nim-10' })).length, 2)
    assert.equal((await titles({ q: 'NIM-100' }))[0], 'Nimbus case')
    assert.equal((await titles({ q: 'NIM-1000' }))[0], 'NIM 100 NIM 100 poster')
    await create({ title: 'Odd' }, [{ sku: '**--**' }])
    assert.deepEqual(await titles({ q: '**--**' }), ['Odd'])
  })

  test('what has a word in its title comes before what has it in its description, a whole word before a beginning', async () => {
    await create({ title: 'Blanket', description: 'For the quokka' })
    await create({ title: 'Quokkaland' })
    await create({ title: 'Quokka' })
    assert.deepEqual(await titles({ q: 'quokka' }), ['Quokka', 'Quokkaland', 'Blanket'])
  })

  test('only what is active is found, with the variants that are sold', async () => {
    const draft = await create({ title: 'Xylo', status: 'draft' })
    assert.deepEqual(await titles({ q: 'xylo' }), [])
    await service.deliver(ProductUpdated, { ...draft, status: 'active', changedFields: ['status'], sequence: 2 })
    assert.deepEqual(await titles({ q: 'xylo' }), ['Xylo'])
    await service.deliver(ProductArchived, { productId: draft.productId, slug: 'xylo', variantIds: [], sequence: 3 })
    assert.deepEqual(await titles({ q: 'xylo' }), [])

    await create({ title: 'Two of them' }, [
      { sku: 'KEPT-1', prices: [['9.00', 'EUR']] },
      { sku: 'LEFT-1', prices: [['5.00', 'EUR']], status: 'archived' }
    ])
    assert.deepEqual(await titles({ q: 'left-1' }), [])
    const [hit] = (await search({ q: 'kept-1' })).data
    assert.deepEqual([hit.skus, hit.prices], [['KEPT-1'], [{ amount: '9.00', currency: 'EUR' }]])
  })

  test('a product is found by the name of its category, whichever comes first, and by its new name after a change', async () => {
    const [early, late] = [category('Petrichor'), category('Susurrus')]
    await service.deliver(CategoryCreated, early)
    const { productId } = await create({ title: 'Categorised', categoryIds: [early.categoryId, late.categoryId] })
    await service.deliver(CategoryCreated, late)
    assert.deepEqual(await titles({ q: 'petrichor susurrus categorised' }), ['Categorised'])
    await service.deliver(CategoryUpdated, { ...late, name: 'Psithurism', changedFields: ['name'], sequence: 3 })
    await service.deliver(CategoryUpdated, { ...late, name: 'Stale', changedFields: ['name'], sequence: 2 })
    assert.deepEqual(await titles({ q: 'psithurism petrichor' }), ['Categorised'])
    for (const q of ['susurrus', 'stale']) assert.deepEqual(await titles({ q }), [], q)
    const { data, facets } = await search({ categoryId: late.categoryId })
    assert.deepEqual(
      data.map((hit: SearchHit) => hit.productId),
      [productId]
    )
    assert.deepEqual(
      facets.categories.map((each: { count: number }) => each.count),
      [1, 1]
    )
  })

  test('prices are filtered in one currency by what any variant costs', async () => {
    await create({ title: 'Gizmo' }, [
      {
        sku: 'GIZ-1',
        prices: [
          ['9.99', 'EUR'],
          ['1500', 'JPY']
        ]
      },
      { sku: 'GIZ-2', prices: [['20.00', 'EUR']] }
    ])
    const found = async (query: Record<string, string>) => (await titles({ q: 'gizmo', ...query })).length
    assert.equal(await found({ currency: 'EUR' }), 1)
    assert.equal(await found({ currency: 'USD' }), 0)
    assert.equal(await found({ currency: 'EUR', minPrice: '9.99', maxPrice: '9.99' }), 1)
    assert.equal(await found({ currency: 'EUR', minPrice: '10', maxPrice: '19.99' }), 0)
    assert.equal(await found({ currency: 'EUR', minPrice: '10.001' }), 1)
    assert.equal(await found({ currency: 'JPY', maxPrice: '1499' }), 0)
    const [hit] = (await search({ q: 'gizmo' })).data
    assert.deepEqual(hit.prices, [
      { amount: '9.99', currency: 'EUR' },
      { amount: '1500', currency: 'JPY' }
    ])
    const alone = await service.request('GET', '/v1/search?minPrice=1')
    assert.deepEqual([alone.status, alone.body.code], [400, 'invalid-request'])
  })

  test('a product is available when a variant that it still has is, at any location', async () => {
    const made = await create({ title: 'Stocky' }, [{ sku: 'STO-1' }, { sku: 'STO-2' }])
    const [first, second] = made.variants.map(variant => variant.variantId)
    const found = async (available: boolean) => (await titles({ q: 'stocky', available: String(available) })).length
    assert.deepEqual([await found(true), await found(false)], [0, 1])
    const location = newId()
    await setStock(made.productId, second!, 0)
    await setStock(made.productId, second!, 3, 2, location)
    assert.deepEqual([await found(true), await found(false)], [1, 0])
    await setStock(made.productId, second!, 0, 1, location)
    assert.deepEqual([await found(true), (await search({ q: 'stocky' })).data[0].available], [1, true])
    await service.deliver(ProductUpdated, { ...made, variants: [made.variants[0]], changedFields: [], sequence: 2 })
    assert.equal(await found(true), 0)
    await setStock(made.productId, first!, 1)
    assert.equal(await found(true), 1)
  })

  test('facets count every match, not only the page', async () => {
    for (const brand of ['Ixion', 'Ixion', 'Juno', undefined]) await create({ title: 'Facetted', ...(brand ? { brand } : {}) })
    const { data, facets, nextCursor } = await search({ q: 'facetted', limit: '1' })
    assert.equal(data.length, 1)
    assert.ok(nextCursor)
    assert.deepEqual(facets.brands, [
      { value: 'Ixion', count: 2 },
      { value: 'Juno', count: 1 }
    ])
  })

  test('pages hold every match once, in one order, with and without words', async () => {
    for (let count = 0; count < 7; count++)
      await create({ title: 'Paged', brand: 'Pagination', description: 'paged '.repeat(count) })
    for (const query of [{ q: 'pag' }, {}] as Record<string, string>[]) {
      const whole = (await search({ ...query, limit: '100' })).data.map((hit: SearchHit) => hit.productId)
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const page: { data: SearchHit[]; nextCursor: string | null } = await search({
          ...query,
          limit: '3',
          ...(cursor ? { cursor } : {})
        })
        seen.push(...page.data.map(hit => hit.productId))
        cursor = page.nextCursor
      } while (cursor)
      assert.deepEqual(seen, whole)
      assert.ok(whole.length >= 7)
    }
    const { nextCursor } = await search({ q: 'pag', limit: '3' })
    const other = await service.request('GET', `/v1/search?q=other&cursor=${nextCursor}`)
    assert.deepEqual([other.status, other.body.code], [400, 'invalid-cursor'])
  })

  test('a product can be handed over; older news than what is indexed changes nothing', async () => {
    const productId = newId()
    const hand = async (body: Record<string, unknown>) => {
      const reply = await service.request('POST', '/v1/search/index', { productId, ...body })
      assert.deepEqual([reply.status, reply.body], [202, { productId, status: 'accepted' }])
    }
    await hand({ title: 'Handmade', skus: ['HM-1'], prices: [{ amount: '1.50', currency: 'EUR' }], sequence: 5 })
    await hand({ title: 'Handmade before', sequence: 4 })
    assert.deepEqual(await titles({ q: 'hm-1' }), ['Handmade'])
    await hand({ title: 'Handmade again' })
    await service.deliver(ProductUpdated, { ...product({ productId, title: 'Handmade late' }), changedFields: [], sequence: 5 })
    assert.deepEqual(await titles({ q: 'handmade' }), ['Handmade again'])
    await service.deliver(ProductUpdated, { ...product({ productId, title: 'Handmade by event' }), changedFields: [], sequence: 6 })
    assert.deepEqual(await titles({ q: 'handmade' }), ['Handmade by event'])
    await hand({ title: 'Handmade', status: 'archived' })
    assert.deepEqual(await titles({ q: 'handmade' }), [])
    await service.deliver(ProductDeleted, { productId, slug: 'x', variantIds: [], sequence: 7 })
    await hand({ title: 'Handmade zombie' })
    assert.deepEqual(await titles({ q: 'handmade' }), [])
  })

  test('no words in q are an error; what is no text is refused', async () => {
    assert.equal((await service.request('GET', '/v1/search?q=%00')).status, 400)
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ maxLength: 200 }),
          fc.string({ unit: 'binary', maxLength: 100 }),
          fc.string({ unit: fc.constantFrom(...`'"\\:*&|!<->()a1 \u0000%_é`), maxLength: 60 })
        ),
        async q => {
          await search({ q: q.replaceAll(/\p{Cc}|\p{Cs}/gu, ' ') })
        }
      ),
      { numRuns: 150 }
    )
  })

  test('any order of a product’s news, with duplicates, ends in one state', async () => {
    const [shoes, boots] = [category('Shoes'), category('Boots')]
    const state = async (productId: string, categoryIds: string[]) => ({
      products: await service.database.query('select * from products where product_id = $1', [productId]),
      levels: await service.database.query(
        'select location_id, sequence, available from stock_levels where product_id = $1 order by location_id',
        [productId]
      ),
      categories: await service.database.query(
        'select category_id, sequence, words from categories where category_id = any ($1) order by category_id',
        [categoryIds]
      )
    })
    type News = [Parameters<RunningService['deliver']>[0], Record<string, unknown>]
    const story = (end: 'listed' | 'archived' | 'deleted'): News[] => {
      const made = product({ title: 'Permuted', brand: 'First', categoryIds: [shoes.categoryId] }, [{ sku: 'PER-1' }])
      const { productId } = made
      const variantId = made.variants[0]!.variantId
      const remains = { productId, slug: 'permuted', variantIds: [variantId] }
      const level = (sequence: number, availableQuantity: number, locationId: string): News => [
        InventoryUpdated,
        { productId, variantId, locationId, onHand: 9, reserved: 0, deltaOnHand: 0, deltaReserved: 0, availableQuantity, sequence }
      ]
      const here = newId()
      const news: News[] = [
        [ProductCreated, { ...made, sequence: 1 }],
        [ProductUpdated, { ...made, brand: 'Second', changedFields: ['brand'], sequence: 2 }],
        [
          ProductUpdated,
          { ...made, brand: 'Third', categoryIds: [boots.categoryId, shoes.categoryId], changedFields: [], sequence: 3 }
        ],
        [CategoryCreated, { ...shoes, sequence: 1 }],
        [CategoryUpdated, { ...shoes, name: 'Footwear', changedFields: ['name'], sequence: 2 }],
        [CategoryCreated, { ...boots, sequence: 1 }],
        level(1, 5, here),
        level(2, 0, here),
        level(1, 2, newId())
      ]
      if (end !== 'listed') news.push([ProductArchived, { ...remains, sequence: 4 }])
      if (end === 'deleted') news.push([ProductDeleted, { ...remains, sequence: 5 }])
      return news
    }
    for (const end of ['listed', 'archived', 'deleted'] as const) {
      const news = story(end)
      const { productId } = news[0]![1] as { productId: string }
      const forget = () =>
        Promise.all(
          ['products', 'stock_levels', 'categories', 'inbox'].map(table => service.database.query(`delete from ${table}`))
        )
      const tell = async (order: readonly number[]) => {
        await forget()
        for (const index of order) await service.deliver(...news[index]!)
        return state(productId, [shoes.categoryId, boots.categoryId])
      }
      const expected = await tell(news.keys().toArray())
      assert.equal(expected.products.length, 1)
      assert.equal((await titles({ q: 'permuted footwear boots third' })).length, end === 'listed' ? 1 : 0)
      const all = news.keys().toArray()
      const shuffled = fc
        .array(fc.constantFrom(...all), { maxLength: 4 })
        .chain(again => fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length }))
      await fc.assert(
        fc.asyncProperty(shuffled, async order => {
          assert.deepEqual(await tell(order), expected)
        }),
        { numRuns: 25 }
      )
    }
  })

  test('a product and the name of its category that are indexed at the same moment do not miss each other', async () => {
    for (let round = 0; round < 20; round++) {
      const named = category(`Simultaneous${round}`)
      const made = product({ title: 'Concurrent', categoryIds: [named.categoryId] })
      await Promise.all([service.deliver(ProductCreated, made), service.deliver(CategoryCreated, named)])
      assert.deepEqual(await titles({ q: `simultaneous${round}` }), ['Concurrent'])
    }
  })
})
