/** Prices that change while they are looked at, processes that die, clocks that differ: each change is told once, with what was before. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { PriceList, SetListedPrice } from '#contracts/resources/price-list.ts'
import type { Product } from '#contracts/resources/product.ts'
import { hold, untilWaiting } from '../../../../test/support/held.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createProduct } from '../catalog/create-product.ts'
import { deleteVariant } from '../catalog/delete-variant.ts'
import { applyPriceSchedules } from './apply-price-schedules.ts'
import { createPriceList } from './create-price-list.ts'
import { listPriceListPrices } from './list-price-list-prices.ts'
import { setPriceListPrices } from './set-price-list-prices.ts'
import { setPrices } from './set-prices.ts'
import { updatePriceList } from './update-price-list.ts'

let db: ProductDatabase
let products: Product[]
let variantIds: string[]
let number = 0
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(async () => {
  number++
  products = []
  for (const name of ['A', 'B']) {
    const variants = [{ sku: `${name}-${number}`, prices: [{ amount: '10', currency: 'EUR' }] }]
    products.push(await db.write(createProduct, { body: { title: name, variants } }))
  }
  variantIds = products.map(product => product.variants[0]!.variantId).sort()
  await db.events()
})

const list = (more: object = {}) =>
  db.write(createPriceList, { body: { code: `list-${number}-${Math.random()}`, name: 'List', ...more } })
const set = ({ priceListId }: PriceList, ...prices: (Partial<SetListedPrice> & { variantId: string })[]) =>
  db.write(setPriceListPrices, {
    params: { priceListId },
    body: { prices: prices.map(price => ({ currency: 'EUR', amount: '8', ...price })) }
  })
const setBase = (variantId: string, amount: string) =>
  db.write(setPrices, { params: { variantId }, body: { prices: [{ amount, currency: 'EUR' }] } })
const told = async (variantId: string) =>
  (await db.events())
    .filter(event => event.eventType === 'PriceUpdated' && event.variantId === variantId)
    .map(({ channel, oldAmount, newAmount, cause, sequence }) => `${channel} ${oldAmount} ${newAmount} ${cause} ${sequence}`)
/** The row is deleted whole, then the review is gone too. */
const holdReview = (variantId: string) =>
  hold(db.database, 'select from price_reviews where variant_id = $1 for update', [variantId])

test('a list that is given to others while a price of it is being set is told to both, whoever comes first', async () => {
  const [first, second] = variantIds as [string, string]
  const web = await list({ channel: 'web' })
  await set(web, { variantId: first }, { variantId: second })
  await db.events()
  const held = await holdReview(first)
  const change = db.write(updatePriceList, { params: web, body: { channel: 'shop' } })
  await untilWaiting(db.database, 1)
  const base = setBase(second, '11')
  await Promise.race([base, untilWaiting(db.database, 2)])
  await held.release()
  await Promise.all([change, base])
  while ((await applyPriceSchedules(db.database)).done > 0);
  const events = await told(second)
  const of = (channel: string) => events.filter(event => event.startsWith(`${channel} `))
  assert.equal(of('shop').length, 1, events.join('; '))
  assert.match(of('shop')[0]!, /^shop 1[01]\.00 8\.00 price-list 1$/)
  assert.match(of('web')[0]!, /^web 8\.00 1[01]\.00 price-list 2$/)
})

test('a variant that is deleted while a price of it is being set gets none', async () => {
  const [variantId] = variantIds as [string]
  const product = products.find(each => each.variants[0]!.variantId === variantId)!
  const web = await list({ channel: 'web' })
  const held = await hold(db.database, 'select from products where product_id = $1 for update', [product.productId])
  const deleted = db.write(deleteVariant, { params: { variantId } })
  await untilWaiting(db.database, 1)
  const setting = set(web, { variantId })
  const refused = assert.rejects(setting, { code: 'reference-not-found' })
  await untilWaiting(db.database, 2)
  await held.release()
  await deleted
  await refused
  assert.deepEqual(await told(variantId), [])
})

test('a base price that a process whose clock is ahead has set is what others go on from', async () => {
  const [variantId] = variantIds as [string]
  const ahead = new Date(Date.now() + 60_000).toISOString()
  await db.database.query(
    `insert into price_changes (variant_id, currency, sequence, old_minor, new_minor, effective_at, actor) values ($1, 'EUR', 2, 1000, 1200, $2, 'ahead')`,
    [variantId, ahead]
  )
  await set(await list({ channel: 'web' }), { variantId })
  assert.deepEqual(await told(variantId), ['web 12.00 8.00 manual 1'])
})

test('a list does not have prices of variants that are gone', async () => {
  const [variantId] = variantIds as [string]
  const web = await list()
  await set(web, { variantId })
  await db.write(deleteVariant, { params: { variantId } })
  assert.deepEqual((await db.read(listPriceListPrices, { params: web, query: {} })).data, [])
})

test('every variant that does not exist is named by its place', async () => {
  const gone = '01990000-0000-7000-8000-000000000000'
  const prices = Array.from({ length: 60 }, (_, index) => ({ variantId: gone, minQuantity: index + 1 }))
  await assert.rejects(set(await list(), { variantId: variantIds[0]! }, ...prices), error => {
    const { code, message, extensions } = error as { code: string; message: string; extensions: { errors: { pointer: string }[] } }
    assert.equal(code, 'reference-not-found')
    assert.ok(message.length <= 200)
    assert.equal(extensions.errors.length, 50)
    assert.equal(extensions.errors[0]!.pointer, '#/prices/1/variantId')
    return true
  })
})

test('a sweep that dies in the middle has told nothing, and the next tells everything once', async () => {
  const [variantId] = variantIds as [string]
  const startsAt = new Date(Date.now() + 20).toISOString()
  await set(await list({ channel: 'web' }), { variantId, startsAt })
  const held = await holdReview(variantId)
  while (new Date().toISOString() <= startsAt);
  const sweep = applyPriceSchedules(db.database)
  const died = assert.rejects(sweep)
  const [pid] = await untilWaiting(db.database, 1)
  await db.database.query('select pg_terminate_backend($1)', [pid])
  await died
  await held.release()
  assert.deepEqual(await told(variantId), [])
  assert.equal((await applyPriceSchedules(db.database)).done, 1)
  assert.deepEqual(await told(variantId), ['web 10.00 8.00 schedule-start 1'])
  assert.equal((await applyPriceSchedules(db.database)).done, 0)
})
