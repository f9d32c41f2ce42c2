import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { PriceList, SetListedPrice } from '#contracts/resources/price-list.ts'
import type { Product } from '#contracts/resources/product.ts'
import { type AnnouncedEvent, openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createProduct } from '../catalog/create-product.ts'
import { deleteVariant } from '../catalog/delete-variant.ts'
import { applyPriceSchedules } from './apply-price-schedules.ts'
import { createPriceList } from './create-price-list.ts'
import { deletePriceList } from './delete-price-list.ts'
import { deletePriceListPrice } from './delete-price-list-price.ts'
import { getEffectivePrices } from './get-effective-prices.ts'
import { getPriceList } from './get-price-list.ts'
import { listPriceHistory } from './list-price-history.ts'
import { listPriceListPrices } from './list-price-list-prices.ts'
import { listPriceLists } from './list-price-lists.ts'
import { setPriceListPrices } from './set-price-list-prices.ts'
import { setPrices } from './set-prices.ts'
import { updatePriceList } from './update-price-list.ts'

let db: ProductDatabase
let product: Product
let variantId: string
let number = 0
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(async () => {
  const variants = [{ sku: `A-${++number}`, prices: [{ amount: '10', currency: 'EUR' }] }]
  product = await db.write(createProduct, { body: { title: 'Lamp', variants } })
  variantId = product.variants[0]!.variantId
  await db.events()
})

const DAY_MS = 86_400_000
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString()
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()

/** An instant before which everything until now has happened, and after which everything that follows does. */
async function passed(): Promise<string> {
  const [at, instant] = [Date.now() + 1, inMs(1)]
  while (Date.now() <= at);
  return instant
}

const list = (more: Partial<Parameters<typeof createPriceList>[1]['body']> = {}) =>
  db.write(createPriceList, { body: { code: `list-${number}-${Math.random()}`, name: 'List', ...more } })
const set = ({ priceListId }: PriceList, ...prices: Partial<SetListedPrice>[]) =>
  db.write(setPriceListPrices, {
    params: { priceListId },
    body: { prices: prices.map(price => ({ variantId, currency: 'EUR', amount: '8', ...price })) }
  })
type Asked = { channel?: string; customerGroup?: string; quantity?: number; at?: string; currency?: string }
const effective = async (asked: Asked = {}) =>
  (await db.read(getEffectivePrices, { query: { variantId, currency: 'EUR', ...asked } })).data[0]!
const paid = async (asked: Asked = {}) => (await effective(asked)).amount
const setBase = (...amounts: string[]) =>
  db.write(setPrices, { params: { variantId }, body: { prices: amounts.map(amount => ({ amount, currency: 'EUR' })) } })
const told = async () =>
  (await db.events())
    .filter(event => event.eventType === 'PriceUpdated')
    .map(({ channel, customerGroup, minQuantity, oldAmount, newAmount, cause, sequence }: AnnouncedEvent) =>
      [[channel, customerGroup, minQuantity > 1 && minQuantity].filter(Boolean).join(' '), oldAmount, newAmount, cause, sequence]
        .join(' ')
        .trim()
    )
/** Applies what is due; nothing is due for longer than this takes. */
async function apply(): Promise<number> {
  let done = 0
  for (let more = true; more; ) {
    const turn = await applyPriceSchedules(db.database)
    done += turn.done
    more = turn.more
  }
  return done
}
async function applyUntil(instant: string): Promise<void> {
  const { rows } = { rows: () => db.database.query<{ past: boolean }>('select now() >= $1::timestamptz as past', [instant]) }
  while (!(await rows())[0]!.past);
  await apply()
}

describe('what a buyer pays', () => {
  test('is the base price where no list says otherwise', async () => {
    const price = await effective({ channel: 'web', customerGroup: 'trade', quantity: 7 })
    assert.deepEqual([price.amount, price.priceListId, price.minQuantity, price.productId], ['10.00', null, 1, product.productId])
    const none = await effective({ currency: 'CHF' })
    assert.deepEqual([none.amount, none.minQuantity, none.lowestAmount30Days], [null, null, null])
  })

  test('comes from the list with the lowest number, then from the narrowest, then from the cheapest', async () => {
    await set(await list(), { amount: '9' })
    await set(await list(), { amount: '9.50' })
    await set(await list({ customerGroup: 'trade' }), { amount: '8' })
    await set(await list({ channel: 'web' }), { amount: '7' })
    await set(await list({ channel: 'web', customerGroup: 'trade' }), { amount: '6' })
    assert.deepEqual(
      [await paid(), await paid({ customerGroup: 'trade' }), await paid({ channel: 'web' }), await paid({ channel: 'shop' })],
      ['9.00', '8.00', '7.00', '9.00']
    )
    assert.equal(await paid({ channel: 'web', customerGroup: 'trade' }), '6.00')
    await set(await list({ priority: 1 }), { amount: '11' })
    assert.equal(await paid({ channel: 'web', customerGroup: 'trade' }), '11.00')
  })

  test('falls with quantity, and to the next list where one has no tier for so few', async () => {
    const bulk = await list({ priority: 1 })
    await set(bulk, { amount: '5', minQuantity: 100 }, { amount: '7', minQuantity: 10 })
    await set(await list(), { amount: '9' })
    assert.deepEqual(await Promise.all([1, 9, 10, 99, 100, 2_000_000_000].map(quantity => paid({ quantity }))), [
      '9.00',
      '9.00',
      '7.00',
      '7.00',
      '5.00',
      '5.00'
    ])
    assert.equal((await effective({ quantity: 50 })).minQuantity, 10)
  })

  test('follows schedules to the millisecond, with nobody to apply them', async () => {
    const [starts, ends] = [inDays(10), inDays(20)]
    await set(await list(), { amount: '8', startsAt: starts, endsAt: ends })
    const before = new Date(Date.parse(starts) - 1).toISOString()
    const last = new Date(Date.parse(ends) - 1).toISOString()
    assert.deepEqual(await Promise.all([undefined, before, starts, last, ends].map(at => paid(at === undefined ? {} : { at }))), [
      '10.00',
      '10.00',
      '8.00',
      '8.00',
      '10.00'
    ])
  })

  test('was at any instant what it was then', async () => {
    const early = await passed()
    await setBase('12')
    const sale = await list()
    const { data } = await set(sale, { amount: '8' })
    const onSale = await passed()
    await db.write(deletePriceListPrice, { params: { priceListId: sale.priceListId, priceId: data[0]!.priceId } })
    await db.write(deletePriceList, { params: sale })
    assert.deepEqual([await paid({ at: early }), await paid({ at: onSale }), await paid()], ['10.00', '8.00', '12.00'])
    assert.equal(await paid({ at: '2020-01-01T00:00:00Z' }), null)
  })

  test('was at its lowest, in the thirty days before, what the cheapest of all prices was', async () => {
    const sale = await list()
    const { data } = await set(sale, { amount: '6.50' })
    await db.write(deletePriceListPrice, { params: { priceListId: sale.priceListId, priceId: data[0]!.priceId } })
    await setBase('20')
    assert.equal((await effective()).lowestAmount30Days, '6.50')
    assert.equal((await effective({ at: inDays(29.9) })).lowestAmount30Days, '6.50')
    assert.equal((await effective({ at: inDays(30.1) })).lowestAmount30Days, '20.00')
  })
})

describe('PriceUpdated', () => {
  test('is told to exactly those who pay another price, in numbers of their own', async () => {
    const web = await list({ channel: 'web' })
    await set(web, { amount: '8' })
    await set(web, { amount: '7' })
    await set(await list({ channel: 'web' }), { amount: '9', minQuantity: 5 })
    await setBase('11')
    assert.deepEqual(await told(), [
      'web 10.00 8.00 manual 1',
      'web 8.00 7.00 manual 2',
      // The cheaper of two lists of one kind stands before it; the base price is what others pay.
      '10.00 11.00 manual 2'
    ])
  })

  test('is not told of a base price behind the price of a list, which the history has all the same', async () => {
    await set(await list(), { amount: '8' })
    await setBase('11')
    assert.deepEqual(await told(), ['10.00 8.00 manual 2'])
    const { data } = await db.read(listPriceHistory, { params: { variantId }, query: {} })
    assert.deepEqual(
      data.map(each => [each.oldAmount, each.newAmount, each.applied, each.priceListId !== null]),
      [
        ['10.00', '11.00', false, false],
        ['10.00', '8.00', true, true],
        [null, '10.00', true, false]
      ]
    )
  })

  test('is told when a schedule starts and when it ends, as of those instants, once, whoever applies it', async () => {
    const [starts, ends] = [inMs(80), inMs(160)]
    await set(await list(), { amount: '8', startsAt: starts, endsAt: ends })
    assert.deepEqual(await told(), [])
    await applyUntil(starts)
    await applyUntil(ends)
    await Promise.all(Array.from({ length: 4 }, apply))
    const { data } = await db.read(listPriceHistory, { params: { variantId }, query: { limit: 2 } })
    assert.deepEqual(
      data.map(each => [each.cause, each.newAmount, each.effectiveAt, each.actor]),
      [
        ['schedule-end', '10.00', ends, 'schedule'],
        ['schedule-start', '8.00', starts, 'schedule']
      ]
    )
    assert.deepEqual(await told(), ['10.00 8.00 schedule-start 2', '8.00 10.00 schedule-end 3'])
  })

  test('tells a schedule that has passed whole between two sweeps as two changes, in order', async () => {
    const [starts, ends] = [inMs(30), inMs(60)]
    await set(await list(), { amount: '8', startsAt: starts, endsAt: ends })
    await applyUntil(ends)
    assert.deepEqual(await told(), ['10.00 8.00 schedule-start 2', '8.00 10.00 schedule-end 3'])
    assert.equal(await apply(), 0)
  })

  test('tells of nothing twice when the price is set again while its time has come', async () => {
    const web = await list({ channel: 'web' })
    const starts = inMs(40)
    await set(web, { amount: '8', startsAt: starts })
    while (inMs(0) < starts);
    await Promise.all([set(web, { amount: '7', startsAt: starts }), apply()])
    await apply()
    const events = await told()
    assert.equal(await paid({ channel: 'web' }), '7.00')
    assert.match(events.at(-1)!, / 7\.00 /)
    assert.deepEqual(
      events.map(event => Number(event.split(' ').at(-1))),
      events.map((_, index) => index + 1)
    )
    for (const [index, event] of events.entries())
      if (index > 0) assert.equal(event.split(' ')[1], events[index - 1]!.split(' ')[2])
  })

  test('is told of every price of a list that is archived, activated, given to others or deleted', async () => {
    const web = await list({ channel: 'web' })
    await set(web, { amount: '8' })
    await told()
    const change = (body: object) => db.write(updatePriceList, { params: web, body })
    await change({ status: 'archived' })
    await apply()
    await change({ status: 'active' })
    await apply()
    await change({ channel: 'shop' })
    await apply()
    await change({ name: 'Other', code: `other-${number}` })
    await apply()
    await db.write(deletePriceList, { params: web })
    await apply()
    assert.deepEqual(await told(), [
      'web 8.00 10.00 price-list 2',
      'web 10.00 8.00 price-list 3',
      'shop 10.00 8.00 price-list 1',
      'web 8.00 10.00 price-list 4',
      'shop 8.00 10.00 price-list 2'
    ])
    await assert.rejects(db.read(getPriceList, { params: web }), { code: 'not-found' })
  })

  test('is not told of a list that changes without anybody paying another price', async () => {
    const web = await list({ channel: 'web' })
    await set(web, { amount: '8' })
    await told()
    for (let priority = 1; priority <= 20; priority++) {
      await db.write(updatePriceList, { params: web, body: { priority } })
      if (priority % 2) await apply()
    }
    await apply()
    assert.deepEqual(await told(), [])
  })

  test('is told of a thousand prices of a list, some at a time', async () => {
    const variants = Array.from({ length: 100 }, (_, index) => ({ sku: `M-${number}-${index}`, options: { N: `${index}` } }))
    const products = await Promise.all(
      [0, 1, 2].map(n =>
        db.write(createProduct, { body: { title: `P${n}`, variants: variants.map(v => ({ ...v, sku: `${v.sku}-${n}` })) } })
      )
    )
    const prices = products.flatMap(each => each.variants.map(variant => ({ variantId: variant.variantId })))
    const web = await list({ channel: 'web' })
    await set(web, ...prices)
    assert.equal((await told()).length, 300)
    await db.write(updatePriceList, { params: web, body: { status: 'archived' } })
    assert.equal(await apply(), 300)
    const events = await told()
    assert.equal(events.length, 300)
    assert.ok(events.every(event => event === 'web 8.00  price-list 2'))
  })

  test('is told of no variant that is gone', async () => {
    await set(await list(), { amount: '8', startsAt: inMs(20) })
    await db.write(deleteVariant, { params: { variantId } })
    await applyUntil(inMs(25))
    assert.deepEqual(await told(), [])
    assert.equal((await effective()).productId, null)
    assert.equal(await paid(), null)
  })
})

describe('the prices of a list', () => {
  test('do not overlap: each that would is named, and none is set', async () => {
    const web = await list()
    const [a, b, c] = [inDays(1), inDays(2), inDays(3)]
    await set(web, { startsAt: b, endsAt: c })
    const refused = await set(
      web,
      { startsAt: a, endsAt: b, amount: '1' },
      { startsAt: a, endsAt: c },
      { minQuantity: 2 },
      { minQuantity: 2, startsAt: c }
    ).catch(error => error)
    assert.equal(refused.code, 'price-overlap')
    assert.deepEqual(
      refused.extensions.errors.map((error: { pointer: string }) => error.pointer),
      ['#/prices/1', '#/prices/3']
    )
    const { data } = await db.read(listPriceListPrices, { params: web, query: {} })
    assert.deepEqual(
      data.map(price => price.amount),
      ['8.00']
    )
  })

  test('set by thirty-two at once for one time are set by one', async () => {
    const web = await list()
    const results = await Promise.allSettled(
      Array.from({ length: 32 }, (_, n) => set(web, { amount: `${n + 1}`, startsAt: inDays(1 + n / 100), endsAt: inDays(3) }))
    )
    const refused = results.filter(result => result.status === 'rejected')
    assert.equal(refused.length, 31)
    for (const { reason } of refused) assert.equal(reason.code, 'price-overlap')
  })

  test('cannot overlap even where nobody looked: the database refuses', async () => {
    const web = await list()
    const { data } = await set(web, {})
    await assert.rejects(
      db.database.query(
        `insert into listed_prices (price_id, price_list_id, product_id, variant_id, currency, min_quantity, amount_minor, set_at, set_by)
         select uuidv7(), price_list_id, product_id, variant_id, currency, min_quantity, 1, now(), 'x' from listed_prices where price_id = $1`,
        [data[0]!.priceId]
      ),
      /listed_prices_overlap/
    )
  })

  test('are replaced by the same place and start, and stay as they are when nothing differs', async () => {
    const web = await list({ channel: 'web' })
    const first = await set(web, { amount: '8' }, { amount: '7', minQuantity: 5 })
    const again = await set(web, { amount: '8.0' }, { amount: '6', minQuantity: 5 })
    assert.deepEqual(
      again.data.map(each => each.priceId),
      first.data.map(each => each.priceId)
    )
    assert.deepEqual(await told(), ['web 10.00 8.00 manual 1', 'web 5 10.00 7.00 manual 1', 'web 5 7.00 6.00 manual 2'])
  })

  test('are refused whole for a variant that does not exist, or a time that ends before it starts', async () => {
    const web = await list()
    const gone = '01990000-0000-7000-8000-000000000000'
    await assert.rejects(set(web, {}, { variantId: gone }), { code: 'reference-not-found' })
    const faulty = await set(web, {}, { startsAt: inDays(2), endsAt: inDays(1) }).catch(error => error)
    assert.deepEqual([faulty.code, faulty.extensions.errors[0].pointer], ['invalid-request', '#/prices/1/endsAt'])
    assert.deepEqual((await db.read(listPriceListPrices, { params: web, query: {} })).data, [])
    await assert.rejects(set({ ...web, priceListId: gone }, {}), { code: 'not-found' })
  })

  test('and the lists themselves are listed page by page', async () => {
    const web = await list({ channel: 'web', customerGroup: `g-${number}` })
    await set(web, ...[1, 2, 3, 4, 5].map(minQuantity => ({ minQuantity })))
    const first = await db.read(listPriceListPrices, { params: web, query: { limit: 3 } })
    const second = await db.read(listPriceListPrices, { params: web, query: { limit: 3, cursor: first.nextCursor! } })
    assert.deepEqual([...first.data, ...second.data].map(price => price.minQuantity).toSorted(), [1, 2, 3, 4, 5])
    assert.equal(second.nextCursor, null)
    assert.deepEqual((await db.read(listPriceLists, { query: { customerGroup: `g-${number}` } })).data, [web])
  })
})

describe('a price list', () => {
  test('has a code that no other has, and a version that writes are meant for', async () => {
    const [a, b] = [await list(), await list()]
    await assert.rejects(list({ code: a.code }), { code: 'code-taken' })
    await assert.rejects(db.write(updatePriceList, { params: b, body: { code: a.code } }), { code: 'code-taken' })
    await assert.rejects(db.write(updatePriceList, { params: b, body: { name: 'x' }, expected: [7] }), {
      code: 'precondition-failed'
    })
    assert.equal((await db.write(updatePriceList, { params: b, body: { name: b.name } })).version, 1)
    assert.equal((await db.write(updatePriceList, { params: b, body: { name: 'x' }, expected: [1] })).version, 2)
    await assert.rejects(db.write(deletePriceList, { params: b, expected: [1] }), { code: 'precondition-failed' })
  })
})
