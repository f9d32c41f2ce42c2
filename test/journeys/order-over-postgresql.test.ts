import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import pg from 'pg'
import type { HttpClient } from '#platform/http/http-client.ts'
import { openWorld, type World } from '../support/world.ts'

const run = promisify(execFile)

let world: World
let client: HttpClient
let admin: pg.Client
before(async () => {
  world = await openWorld()
  client = world.client((await world.start()).url)
  admin = new pg.Client(world.databaseUrl)
  await admin.connect()
})
after(async () => {
  await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  await admin.end()
  await world[Symbol.asyncDispose]()
})

/** Roles belong to the server, where other tests are. */
const role = `my_order_service_${process.pid}`

test('an Order Service of ten lines with a role of its own reserves stock in SQL, and is told when there is too little', async () => {
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT broker_client TO ${role}`)
  await admin.query(`INSERT INTO broker.permissions VALUES ($1, 'publish', 'order.events'), ($1, 'fetch', 'product.events')`, [
    role
  ])
  const url = new URL(world.databaseUrl)
  url.username = role
  url.password = 'secret'

  type Product = { productId: string; variants: { variantId: string }[] }
  const variant = { sku: 'TEN-LINES-SQL', prices: [{ amount: '5.00', currency: 'EUR' }], inventory: { onHand: 3 } }
  const { body } = await client.call<Product>('POST', '/v1/products', {
    body: { title: 'Lamp', status: 'active', variants: [variant] }
  })
  const [variantId] = body.variants.map(each => each.variantId)
  const placeOrder = async () => {
    const env = { ...process.env, DATABASE_URL: url.href }
    const example = ['examples/order-over-postgresql.mjs', body.productId, variantId!]
    return (await run(process.execPath, example, { env, timeout: 60_000 })).stdout
  }
  assert.match(await placeOrder(), /^InventoryReserved /)
  assert.match(await placeOrder(), /^InventoryReservationFailed /)
  const inventory = (await client.call<{ available: number }>('GET', `/v1/inventory/${variantId}`)).body
  assert.equal(inventory.available, 1)
})
