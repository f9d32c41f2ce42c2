// Places an order from outside, over RabbitMQ: AMQP_URL=amqp://… node examples/order-over-rabbitmq.mjs PRODUCT_ID VARIANT_ID
import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'

const [productId, variantId] = process.argv.slice(2)
const order = { eventType: 'OrderCreated', orderId: randomUUID(), userId: 'u-1', items: [{ productId, variantId, quantity: 2 }], timestamp: new Date().toISOString() }
const channel = await (await connect(process.env.AMQP_URL ?? 'amqp://localhost')).createConfirmChannel()
const { queue } = await channel.assertQueue('', { exclusive: true })
for (const answer of ['inventory.reserved.v1', 'inventory.reservation_failed.v1']) await channel.bindQueue(queue, 'product.events', answer)
await channel.consume(queue, message => {
  const event = JSON.parse(message.content)
  if (event.orderId === order.orderId) process.exit(console.log(event.eventType, event.orderId))
})
channel.publish('order.events', 'order.created.v1', Buffer.from(JSON.stringify(order)))
await channel.waitForConfirms()
