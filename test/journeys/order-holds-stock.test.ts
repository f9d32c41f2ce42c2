import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { HttpClient } from '#platform/http/http-client.ts'
import { eventually, openWorld, type World } from '../support/world.ts'

let world: World
let client: HttpClient
before(async () => {
  world = await openWorld()
  const { url } = await world.start()
  client = world.client(url)
})
after(() => world[Symbol.asyncDispose]())

type Product = { productId: string; variants: { variantId: string }[] }
type Order = { orderId: string; status: string }
type Inventory = { onHand: number; reserved: number; available: number }

async function createProduct(title: string, sku: string, onHand: number): Promise<{ productId: string; variantId: string }> {
  const body = {
    title,
    status: 'active',
    variants: [{ sku, prices: [{ amount: '89.90', currency: 'EUR' }], inventory: { onHand, lowStockThreshold: 5 } }]
  }
  const reply = await client.call<Product>('POST', '/v1/products', { body })
  assert.equal(reply.status, 201)
  return { productId: reply.body.productId, variantId: reply.body.variants[0]!.variantId }
}

const placeOrder = async (item: object): Promise<Order> =>
  (await client.call<Order>('POST', '/v1/orders', { body: { userId: 'u-1', items: [item] } })).body
const orderOf = async ({ orderId }: Order): Promise<Order> => (await client.call<Order>('GET', `/v1/orders/${orderId}`)).body
const settled = (order: Order) =>
  eventually(
    () => orderOf(order),
    ({ status }) => status !== 'pending'
  )
const inventoryOf = async (variantId: string): Promise<Inventory> => {
  const { onHand, reserved, available } = (await client.call<Inventory>('GET', `/v1/inventory/${variantId}`)).body
  return { onHand, reserved, available }
}

test('a product that is created is found by its words, by their beginnings and by its SKU', async () => {
  const { productId } = await createProduct('Paraffin lantern', 'LANTERN-1', 3)
  for (const q of ['paraffin', 'lant', 'LANTERN-1']) {
    const found = await eventually(
      async () => (await client.call<{ data: { productId: string }[] }>('GET', `/v1/search?q=${q}`)).body.data,
      hits => hits.some(hit => hit.productId === productId)
    )
    assert.equal(found.length, 1, q)
  }
})

test('an order is confirmed with its stock held, and gives it back when it is cancelled', async () => {
  const item = await createProduct('Trail shoe', 'SHOE-41', 10)
  const order = await placeOrder({ ...item, quantity: 4 })
  assert.equal(order.status, 'pending')
  assert.equal((await settled(order)).status, 'confirmed')
  assert.deepEqual(await inventoryOf(item.variantId), { onHand: 10, reserved: 4, available: 6 })
  await client.call('POST', `/v1/orders/${order.orderId}/cancel`)
  await eventually(
    () => inventoryOf(item.variantId),
    ({ available }) => available === 10
  )
  assert.deepEqual(await inventoryOf(item.variantId), { onHand: 10, reserved: 0, available: 10 })
})

test('an order of too much is rejected, with nothing held', async () => {
  const item = await createProduct('Winter boot', 'BOOT-41', 2)
  assert.equal((await settled(await placeOrder({ ...item, quantity: 3 }))).status, 'rejected')
  assert.deepEqual(await inventoryOf(item.variantId), { onHand: 2, reserved: 0, available: 2 })
})

test('a completed order takes its units off the books', async () => {
  const item = await createProduct('Head torch', 'TORCH-1', 5)
  const order = await placeOrder({ ...item, quantity: 2 })
  await settled(order)
  await client.call('POST', `/v1/orders/${order.orderId}/complete`)
  await eventually(
    () => inventoryOf(item.variantId),
    ({ onHand }) => onHand === 3
  )
  assert.deepEqual(await inventoryOf(item.variantId), { onHand: 3, reserved: 0, available: 3 })
})

test('the API is shown as a page, and every document is served through the one port', async () => {
  for (const path of [
    '/openapi.json',
    '/asyncapi.json',
    '/problems/not-found',
    '/schemas/events/OrderCreated/1',
    '/health/ready'
  ]) {
    assert.equal((await client.call('GET', path)).status, 200, path)
  }
})
