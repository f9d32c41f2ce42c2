import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { HttpClient } from '#platform/http/http-client.ts'
import type { BrokerServer } from '../support/broker-server.ts'
import { startKafka } from '../support/kafka-server.ts'
import { startRabbitMq } from '../support/rabbitmq-server.ts'
import { readStory } from '../support/story.ts'
import { openWorld, type World } from '../support/world.ts'

const run = promisify(execFile)

/** A broker of its own for each: the names of topics and groups are fixed. */
const brokers = {
  RabbitMQ: {
    start: () => startRabbitMq(),
    example: 'examples/order-over-rabbitmq.mjs',
    environment: (url: string) => ({ AMQP_URL: url })
  },
  Kafka: {
    start: () => startKafka(),
    example: 'examples/order-over-kafka.mjs',
    environment: (url: string) => ({ KAFKA_BROKERS: url.replace('kafka://', '') })
  }
}

for (const [name, { start, example, environment }] of Object.entries(brokers)) {
  describe(`with ${name} between the services`, () => {
    let server: BrokerServer
    let world: World
    let url: string
    let client: HttpClient
    before(async () => {
      server = await start()
      world = await openWorld()
      url = (await world.start([], { BROKER_URL: server.url })).url
      client = world.client(url)
    })
    after(async () => {
      await world?.[Symbol.asyncDispose]()
      await server?.[Symbol.asyncDispose]()
    })

    test('the story of the README works as it is printed', async () => {
      const { script, prints } = await readStory()
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script.replace('http://localhost:8080', url)])
      assert.deepEqual(stdout.trim().split('\n'), prints)
    })

    test('an Order Service of ten lines and a plain client library reserves stock by an event, and is told when there is too little', async () => {
      type Product = { productId: string; variants: { variantId: string }[] }
      const variant = { sku: `TEN-LINES-${name}`, prices: [{ amount: '5.00', currency: 'EUR' }], inventory: { onHand: 3 } }
      const { body } = await client.call<Product>('POST', '/v1/products', {
        body: { title: 'Lamp', status: 'active', variants: [variant] }
      })
      const [variantId] = body.variants.map(each => each.variantId)
      const placeOrder = async () => {
        const env = { ...process.env, ...environment(server.url) }
        return (await run(process.execPath, [example, body.productId, variantId!], { env, timeout: 60_000 })).stdout
      }
      assert.match(await placeOrder(), /^InventoryReserved /)
      assert.match(await placeOrder(), /^InventoryReservationFailed /)
      const inventory = (await client.call<{ available: number }>('GET', `/v1/inventory/${variantId}`)).body
      assert.equal(inventory.available, 1)
    })
  })
}
