// Places an order from outside, over Kafka: KAFKA_BROKERS=host:port,… node examples/order-over-kafka.mjs PRODUCT_ID VARIANT_ID
import { randomUUID } from 'node:crypto'
import { Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const [productId, variantId] = process.argv.slice(2)
const order = { eventType: 'OrderCreated', orderId: randomUUID(), userId: 'u-1', items: [{ productId, variantId, quantity: 2 }], timestamp: new Date().toISOString() }
const kafka = { clientId: 'my-order-service', bootstrapBrokers: (process.env.KAFKA_BROKERS ?? 'localhost:9092').split(',') }
const consumer = new Consumer({ ...kafka, groupId: `my-order-service.${order.orderId}`, deserializers: stringDeserializers })
const stream = await consumer.consume({ topics: ['product.events'], mode: 'earliest' })
await new Producer({ ...kafka, serializers: stringSerializers }).send({ messages: [{ topic: 'order.events', key: order.orderId, value: JSON.stringify(order) }] })
for await (const { key, value } of stream) {
  const { eventType } = JSON.parse(value)
  if (key === order.orderId && eventType.startsWith('InventoryReserv')) process.exit(console.log(eventType, key))
}
