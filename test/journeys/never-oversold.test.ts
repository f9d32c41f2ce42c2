import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { HttpClient, HttpReply } from '#platform/http/http-client.ts'
import { openWorld, type Running, type World } from '../support/world.ts'

let world: World
let issuer: Running
/** Three processes of the Product Service on one database; the first tests use one of them alone. */
const processes: HttpClient[] = []
before(async () => {
  world = await openWorld()
  issuer = await world.start(['user', 'product'])
  const settings = { ISSUER_URL: `${issuer.url}/oauth`, JWKS_URL: `${new URL(issuer.urls.user!).origin}/oauth/jwks` }
  const others = await Promise.all([world.start(['product'], settings), world.start(['product'], settings)])
  const tokenUrl = `${new URL(issuer.urls.user!).origin}/oauth/token`
  for (const { urls } of [issuer, ...others]) processes.push(world.client(new URL(urls.product!).origin, tokenUrl))
})
after(() => world[Symbol.asyncDispose]())

type Variant = { variantId: string; productId: string }

async function createVariants(count: number, onHand: number): Promise<Variant[]> {
  const variants = Array.from({ length: count }, (_, index) => ({
    sku: randomUUID(),
    options: { No: String(index) },
    inventory: { onHand }
  }))
  const body = { title: 'Thing', status: 'active', variants }
  return (await processes[0]!.call<{ variants: Variant[] }>('POST', '/v1/products', { body })).body.variants
}

function reserve(
  client: HttpClient,
  items: readonly { variantId: string; quantity: number }[]
): Promise<HttpReply<{ code?: string; reservationId: string }>> {
  return client.call('POST', '/v1/reservations', { body: { orderId: randomUUID(), items } })
}

async function assertBooks(variantId: string, want: { onHand: number; reserved: number }): Promise<void> {
  const inventory = (await processes[0]!.call<{ onHand: number; reserved: number }>('GET', `/v1/inventory/${variantId}`)).body
  assert.deepEqual({ onHand: inventory.onHand, reserved: inventory.reserved }, want)
}

async function assertReconciled(): Promise<void> {
  const { drift, oversold } = (await processes[0]!.call<{ drift: number; oversold: number }>('GET', '/v1/inventory/reconciliation'))
    .body
  assert.deepEqual({ drift, oversold }, { drift: 0, oversold: 0 })
}

const count = (replies: readonly HttpReply[]) => Object.groupBy(replies, reply => String(reply.status))

for (const replicas of [1, 3]) {
  test(`of 500 concurrent requests for 100 units exactly 100 are granted, with ${replicas} process(es)`, async () => {
    const [thing] = await createVariants(1, 100)
    const wanted = [{ variantId: thing!.variantId, quantity: 1 }]
    const replies = await Promise.all(Array.from({ length: 500 }, (_, index) => reserve(processes[index % replicas]!, wanted)))
    const { 201: granted = [], 409: refused = [], ...others } = count(replies)
    assert.deepEqual([granted.length, refused.length, Object.keys(others)], [100, 400, []])
    assert.ok(refused.every(reply => (reply.body as { code: string }).code === 'insufficient-stock'))
    await assertBooks(thing!.variantId, { onHand: 100, reserved: 100 })
    await assertReconciled()
  })

  test(`orders over 20 SKUs in random order never deadlock and hold all or nothing, with ${replicas} process(es)`, async () => {
    const variants = await createVariants(20, 50)
    const orders = Array.from({ length: 150 }, () =>
      shuffled(variants).map(({ variantId }) => ({ variantId, quantity: 1 + Math.floor(Math.random() * 3) }))
    )
    const replies = await Promise.all(orders.map((items, index) => reserve(processes[index % replicas]!, items)))
    const { 201: granted = [], 409: refused = [], ...others } = count(replies)
    assert.deepEqual(Object.keys(others), [])
    assert.ok(granted.length > 0 && refused.length > 0)
    for (const { variantId } of variants) {
      const held = orders
        .filter((_, index) => replies[index]!.status === 201)
        .reduce((sum, items) => sum + items.find(item => item.variantId === variantId)!.quantity, 0)
      assert.ok(held <= 50)
      await assertBooks(variantId, { onHand: 50, reserved: held })
    }
    await assertReconciled()
  })
}

test('holds, commits, releases and adjustments of one SKU race in three processes, and the books are right', async () => {
  const [thing] = await createVariants(1, 60)
  const { variantId } = thing!
  const lives = Array.from({ length: 90 }, async (_, index) => {
    const client = processes[index % 3]!
    if (index % 9 === 0)
      await client.call('POST', '/v1/inventory/adjustments', {
        body: { items: [{ variantId, delta: index % 2 ? 3 : -1, reason: 'counted' }] }
      })
    const held = await reserve(client, [{ variantId, quantity: 1 + (index % 3) }])
    if (held.status !== 201) return
    const path = `/v1/reservations/${held.body.reservationId}`
    const [a, b] = await Promise.all([
      processes[(index + 1) % 3]!.call('POST', `${path}/${index % 2 ? 'commit' : 'release'}`, { body: {} }),
      processes[(index + 2) % 3]!.call('POST', `${path}/${index % 5 ? 'commit' : 'release'}`, { body: {} })
    ])
    assert.ok([a, b].every(({ status }) => status === 200 || status === 409))
  })
  await Promise.all(lives)
  await assertReconciled()
})

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map(item => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
