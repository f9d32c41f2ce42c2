// Places an order from outside, over PostgreSQL: DATABASE_URL=postgres://… node examples/order-over-postgresql.mjs PRODUCT_ID VARIANT_ID
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

const [productId, variantId] = process.argv.slice(2)
const order = { eventType: 'OrderCreated', orderId: randomUUID(), userId: 'u-1', items: [{ productId, variantId, quantity: 2 }], timestamp: new Date().toISOString() }
const client = new pg.Client(process.env.DATABASE_URL)
await client.connect()
await client.query(`SELECT broker.publish('order.events', $1, $2)`, [order.orderId, JSON.stringify(order)])
for (;; await delay(100)) {
  const { rows } = await client.query(`SELECT position, convert_from(body, 'UTF8')::json AS event FROM broker.fetch(session_user, 'product.events')`)
  for (const { event } of rows) if (event.orderId === order.orderId) process.exit(console.log(event.eventType, event.orderId))
  if (rows.length > 0) await client.query(`SELECT broker.acknowledge(session_user, 'product.events', $1)`, [rows.at(-1).position])
}
