/** What `npm run permissions -- rabbitmq` prints, held by a real RabbitMQ against real users. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { type ChannelModel, connect } from 'amqplib'
import type { Definitions } from '../../scripts/permissions/rabbitmq-rules.ts'
import { numbered, recording, until } from '../../src/broker/conformance-kit.ts'
import { openRabbitMqBroker } from '../../src/broker/rabbitmq.ts'
import { noOwnRabbitMq } from '../support/brokers.ts'
import { callsOf, printedRules } from '../support/printed-rules.ts'
import { type RabbitMqServer, startRabbitMq } from '../support/rabbitmq-server.ts'

const consumers = {
  crm: { user: 'crm', reads: { 'product.events': ['*'] }, publishes: ['user.events'] },
  warehouse: { user: 'wms', reads: { 'product.events': ['InventoryReserved', 'InventoryReleased'] } },
  web: { clients: ['web'], reads: { 'product.events': ['ProductCreated'] } }
}
const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

describe('RabbitMQ with the rules that are printed for it', { skip: noOwnRabbitMq, timeout: 600_000 }, () => {
  let server: RabbitMqServer
  let rules: Definitions
  const opened: ChannelModel[] = []

  before(async () => {
    server = await startRabbitMq()
    const json = await printedRules(consumers, 'rabbitmq', '--json')
    rules = JSON.parse(json)
    const binary = (text: string) => `<<${[...Buffer.from(text)].join(',')}>>`
    for (const { user } of rules.permissions) {
      await server.evaluate(`rabbit_auth_backend_internal:add_user(${binary(user)}, ${binary('secret')}, ${binary('tests')})`)
    }
    assert.equal(await server.evaluate(`rabbit_definitions:import_raw(${binary(json)})`), 'ok')
    // Whoever publishes to a topic or reads it first declares it.
    await using ours = await openRabbitMqBroker({ url: urlOf('product') })
    await ours.publish(numbered('product.events', 1))
    await using orders = await openRabbitMqBroker({ url: urlOf('order') })
    await orders.publish(numbered('order.events', 1))
    await using users = await openRabbitMqBroker({ url: urlOf('user') })
    await users.publish(numbered('user.events', 1))
  })
  after(async () => {
    for (const connection of opened) await connection.close()
    await server?.[Symbol.asyncDispose]()
  })

  function urlOf(user: string): string {
    const url = new URL(server.url)
    url.username = user
    url.password = 'secret'
    return url.href
  }

  /** A refusal ends the channel that it came on: each attempt has one of its own. */
  async function channelOf(user: string) {
    const connection = await connect(urlOf(user))
    connection.on('error', () => {})
    opened.push(connection)
    const channel = await connection.createConfirmChannel()
    const refusal = Promise.withResolvers<Error & { code?: number }>()
    channel.on('error', refusal.resolve)
    return { channel, refusal: refusal.promise }
  }

  async function assertRefused(
    user: string,
    attempt: (channel: Awaited<ReturnType<typeof channelOf>>['channel']) => unknown
  ): Promise<void> {
    const { channel, refusal } = await channelOf(user)
    const attempted = Promise.resolve(attempt(channel)).catch(() => {})
    const refused = await Promise.race([
      refusal,
      attempted.then(() => channel.checkExchange('product.events')).then(() => undefined)
    ])
    assert.equal(refused?.code, 403, `${user} was let`)
    assert.match(refused.message, /ACCESS_REFUSED/)
  }

  /** As `publish` of a plain client: what is refused, is refused before anything is confirmed. */
  const publishing = (topic: string, routingKey: string) => async (channel: Awaited<ReturnType<typeof channelOf>>['channel']) => {
    channel.publish(topic, routingKey, Buffer.from('{}'), { persistent: true })
    await channel.waitForConfirms()
  }

  test('a consumer reads the topic that it may read, from queues of its own, and publishes to the topic that it may publish to', async () => {
    const { channel } = await channelOf('crm')
    await channel.assertQueue('crm.mailing', quorum)
    await channel.bindQueue('crm.mailing', 'product.events', '#')
    const got: string[] = []
    await channel.consume('crm.mailing', message => {
      got.push(message!.fields.routingKey)
      channel.ack(message!)
    })
    await using ours = await openRabbitMqBroker({ url: urlOf('product') })
    await ours.publish(numbered('product.events', 3))
    await until('the events arrive', () => got.length === 3)
    await publishing('user.events', 'user.updated.v1')(channel)
  })

  test('a topic that is not its own to read or to publish to is refused by the broker', async () => {
    await assertRefused('crm', publishing('order.events', 'order.created.v1'))
    await assertRefused('crm', publishing('product.events', 'product.created.v1'))
    await assertRefused('wms', publishing('user.events', 'user.updated.v1'))
    await assertRefused('crm', async channel => {
      await channel.assertQueue('crm.orders', quorum)
      await channel.bindQueue('crm.orders', 'order.events', '#')
    })
  })

  test('a queue of another is refused: to read, to bind, to empty, to delete, and to make one in its name', async () => {
    await using orders = await openRabbitMqBroker({ url: urlOf('order') })
    const reader = recording({ topic: 'product.events', group: 'order.stock' })
    await using _ = await orders.subscribe(reader)
    await assertRefused('crm', channel => channel.consume('order.stock', () => {}))
    await assertRefused('crm', channel => channel.get('order.stock'))
    await assertRefused('crm', channel => channel.bindQueue('order.stock', 'product.events', '#'))
    await assertRefused('crm', channel => channel.purgeQueue('order.stock'))
    await assertRefused('crm', channel => channel.deleteQueue('order.stock'))
    await assertRefused('crm', channel => channel.assertQueue('order.more', quorum))
    await assertRefused('crm', channel => channel.assertQueue('crmx', quorum))
    await assertRefused('crm', channel => channel.deleteExchange('product.events'))
    // Past the topics, into the queue of one reader alone.
    await assertRefused('crm', publishing('', 'order.stock'))
  })

  test('nor does a queue or an exchange of its own carry what it may not: by dead letters, by what is unroutable, or from exchange to exchange', async () => {
    await assertRefused('crm', channel =>
      channel.assertQueue('crm.trap', { arguments: { 'x-dead-letter-exchange': 'order.events' } })
    )
    await assertRefused('crm', channel => channel.assertExchange('crm.trap', 'topic', { alternateExchange: 'order.events' }))
    await assertRefused('crm', async channel => {
      await channel.assertExchange('crm.out', 'topic')
      await channel.bindExchange('order.events', 'crm.out', '#')
    })
    await assertRefused('wms', async channel => {
      await channel.assertExchange('warehouse.in', 'topic')
      await channel.bindExchange('warehouse.in', 'product.events', '#')
    })
  })

  test('who may read some types binds these, in any version, and is refused every key that says more', async () => {
    const { channel } = await channelOf('wms')
    await channel.assertQueue('warehouse.moves', quorum)
    const allowed = ['inventory.reserved.v1', 'inventory.reserved.v2', 'inventory.released.*', 'inventory.released.#']
    for (const key of allowed) await channel.bindQueue('warehouse.moves', 'product.events', key)
    const refused = [
      '#',
      '*.reserved.v1',
      'inventory.*.v1',
      'inventory.#',
      'inventory.committed.v1',
      'inventory.reserved',
      '',
      'product.created.v1'
    ]
    for (const key of refused) {
      await assertRefused('wms', other => other.bindQueue('warehouse.moves', 'product.events', key))
    }
    const got: string[] = []
    await channel.consume('warehouse.moves', message => {
      got.push(message!.fields.routingKey)
      channel.ack(message!)
    })
    await using ours = await openRabbitMqBroker({ url: urlOf('product') })
    const keys = ['product.created.v1', 'inventory.reserved.v1', 'inventory.committed.v1', 'inventory.released.v3']
    await ours.publish(numbered('product.events', 4).map((message, n) => ({ ...message, routingKey: keys[n]! })))
    await until('what it may read arrives', () => got.length === 2)
    assert.deepEqual(got, ['inventory.reserved.v1', 'inventory.released.v3'])
  })

  test('our own services have what they need, dead letters too, and no more', async () => {
    await using orders = await openRabbitMqBroker({ url: urlOf('order') })
    const toProduct = recording({ topic: 'order.events', group: 'product.order-events' })
    const toSearch = recording({ topic: 'product.events', group: 'search.index' })
    await using product = await openRabbitMqBroker({ url: urlOf('product') })
    await using search = await openRabbitMqBroker({ url: urlOf('search') })
    await using _ = await product.subscribe({
      ...toProduct,
      handle: async each => (await toProduct.handle(each)) && 'dead-letter'
    })
    await using __ = await search.subscribe(toSearch)
    await orders.publish(numbered('order.events', 2))
    await product.publish(numbered('product.events', 2))
    await until('both arrive', () => toProduct.got.length === 2 && toSearch.got.length === 2)
    await assert.rejects(search.publish(numbered('order.events', 1)), /ACCESS_REFUSED/)
    await assert.rejects(orders.publish(numbered('product.events', 1)), /ACCESS_REFUSED/)
    await assert.rejects(search.subscribe(recording({ topic: 'order.events', group: 'search.orders' })), /ACCESS_REFUSED/)
  })

  test('the commands say what the definitions say, and who has no user on the broker is in neither', async () => {
    const calls = await callsOf('rabbitmqctl', await printedRules(consumers, 'rabbitmq', '--vhost', 'my shop'))
    const expected = rules.permissions.flatMap(({ user, configure, write, read }) => [
      ['set_permissions', '-p', 'my shop', user, configure, write, read],
      ...rules.topic_permissions
        .filter(topic => topic.user === user)
        .map(topic => ['set_topic_permissions', '-p', 'my shop', user, topic.exchange, topic.write, topic.read])
    ])
    assert.deepEqual(calls, expected)
    assert.deepEqual(
      rules.permissions.map(({ user }) => user),
      ['product', 'order', 'user', 'search', 'crm', 'wms']
    )
  })

  test('the page says for our services what is printed for them', async () => {
    const page = await readFile('docs/how-to/rabbitmq.md', 'utf8')
    for (const { user, configure, write, read } of rules.permissions.filter(({ user }) =>
      ['product', 'order', 'crm'].includes(user)
    )) {
      const cells = [configure, write, read].map(pattern => `\`${pattern.replaceAll('|', '\\|')}\``)
      assert.ok(page.includes(`| \`${user}\` | ${cells.join(' | ')} |`), `${user} ${cells.join(' ')}`)
    }
  })
})
