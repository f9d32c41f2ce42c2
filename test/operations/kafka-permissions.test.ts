/** What `npm run permissions -- kafka` prints, held by a real Kafka against real users. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import {
  type Acl,
  AclOperations,
  AclPermissionTypes,
  Admin,
  Consumer,
  Producer,
  ResourcePatternTypes,
  ResourceTypes
} from '@platformatic/kafka'
import type { KafkaRules } from '../../scripts/permissions/kafka-rules.ts'
import { numbered, recording, until } from '../../src/broker/conformance-kit.ts'
import { openKafkaBroker } from '../../src/broker/kafka.ts'
import { noOwnKafka } from '../support/brokers.ts'
import { type KafkaServer, startKafka } from '../support/kafka-server.ts'
import { callsOf, printedRules } from '../support/printed-rules.ts'

const consumers = {
  crm: { user: 'crm', reads: { 'product.events': ['*'] }, publishes: ['user.events'] },
  warehouse: { user: 'wms', reads: { 'product.events': ['InventoryReserved'] } }
}
const PASSWORD = 'secret-1'
const users = ['admin', 'product', 'order', 'user', 'search', 'crm', 'wms']

/** What a call of kafka-acls.sh asks for. */
function aclsOf(call: readonly string[]): Acl[] {
  const valuesOf = (option: string) => call.flatMap((word, n) => (word === `--${option}` ? [call[n + 1]!] : []))
  const [connection, action] = [call.slice(0, 4), call[4]]
  assert.deepEqual([connection, action], [['--bootstrap-server', 'kafka:9092', '--command-config', 'admin.properties'], '--add'])
  const [topic, group, pattern] = ['topic', 'group', 'resource-pattern-type'].map(option => valuesOf(option)[0])
  return valuesOf('operation').map(operation => ({
    resourceType: topic ? ResourceTypes.TOPIC : ResourceTypes.GROUP,
    resourceName: (topic ?? group)!,
    resourcePatternType: pattern === 'prefixed' ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
    principal: valuesOf('allow-principal')[0]!,
    host: '*',
    operation: AclOperations[operation.toUpperCase() as keyof typeof AclOperations],
    permissionType: AclPermissionTypes.ALLOW
  }))
}

describe('Kafka with the rules that are printed for it', { skip: noOwnKafka, timeout: 600_000 }, () => {
  let server: KafkaServer
  let script: string
  const stack = new AsyncDisposableStack()

  before(async () => {
    server = stack.use(
      await startKafka({
        protocol: 'SASL_PLAINTEXT',
        users: Object.fromEntries(users.map(user => [user, PASSWORD])),
        settings: {
          'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          // The node itself, and who makes the rules.
          'super.users': 'User:ANONYMOUS;User:admin'
        }
      })
    )
    script = await printedRules(consumers, 'kafka')
    const admin = new Admin(clientOf('admin'))
    await admin.createAcls({ creations: (await callsOf('kafka-acls.sh', script)).flatMap(aclsOf) })
    await admin.close()
  })
  after(() => stack.disposeAsync())

  const clientOf = (username: string) => ({
    clientId: username,
    bootstrapBrokers: [server.url.replace('kafka://', '')],
    sasl: { mechanism: 'SCRAM-SHA-512' as const, username, password: PASSWORD },
    retries: 2,
    retryDelay: 100,
    timeout: 10_000
  })
  const ours = async (username: string) => stack.use(await openKafkaBroker({ url: server.url, username, password: PASSWORD }))

  async function publish(user: string, topic: string): Promise<void> {
    const producer = new Producer(clientOf(user))
    try {
      await producer.send({ messages: [{ topic, key: Buffer.from('k'), value: Buffer.from('{}') }], acks: -1 })
    } finally {
      await producer.close()
    }
  }

  async function readOne(user: string, groupId: string, topic: string): Promise<Buffer | undefined> {
    const consumer = new Consumer({ ...clientOf(user), groupId })
    try {
      const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
      for await (const message of stream) return message.value as Buffer
      return undefined
    } finally {
      await consumer.close(true)
    }
  }

  const refused = (what: 'Topic' | 'Group') => (error: unknown) => {
    const said = [error, ...((error as { errors?: unknown[] }).errors ?? [])].join()
    assert.match(said, new RegExp(`${what} authorization failed`))
    return true
  }

  test('our own services have what they need: they create their topics, publish, read, and set dead letters aside', async () => {
    const [product, order, search] = [await ours('product'), await ours('order'), await ours('search')]
    const toProduct = recording({ topic: 'order.events', group: 'product.order-events' })
    const toSearch = recording({ topic: 'product.events', group: 'search.index' })
    stack.use(await search.subscribe(toSearch))
    stack.use(await product.subscribe({ ...toProduct, handle: async each => (await toProduct.handle(each)) && 'dead-letter' }))
    await product.publish(numbered('product.events', 2))
    await order.publish(numbered('order.events', 2))
    await (await ours('user')).publish(numbered('user.events', 1))
    await until('both arrive', () => toProduct.got.length === 2 && toSearch.got.length === 2, 60_000)
    const admin = new Admin(clientOf('admin'))
    await until(
      'the dead letters are aside',
      async () => (await admin.listTopics()).includes('product.order-events.dead-letters'),
      60_000
    )
    await admin.close()
  })

  test('a consumer reads the topic that it may read, and publishes to the topic that it may publish to, with any client', async () => {
    assert.deepEqual(JSON.parse(String(await readOne('crm', 'crm', 'product.events'))), { n: 0 })
    assert.deepEqual(JSON.parse(String(await readOne('crm', 'crm.mailing', 'product.events'))), { n: 0 })
    await publish('crm', 'user.events')
  })

  test('a topic that is not its own to read or to publish to is refused by the broker', async () => {
    await assert.rejects(publish('crm', 'order.events'), refused('Topic'))
    await assert.rejects(publish('crm', 'product.events'), refused('Topic'))
    await assert.rejects(readOne('crm', 'crm', 'order.events'), refused('Topic'))
    await assert.rejects(readOne('crm', 'crm', 'user.events'), refused('Topic'))
  })

  test('a group that is not its own is refused, also one that only begins like its name', async () => {
    await assert.rejects(readOne('crm', 'search.index', 'product.events'), refused('Group'))
    await assert.rejects(readOne('crm', 'crmx', 'product.events'), refused('Group'))
  })

  test('our own services are refused each other’s topics', async () => {
    await assert.rejects((await ours('search')).publish(numbered('product.events', 1)), /authoriz/i)
    await assert.rejects((await ours('order')).publish(numbered('product.events', 1)), /authoriz/i)
  })

  test('who may read some types is permitted nothing, since Kafka cannot tell them apart, and that is said', async () => {
    await assert.rejects(readOne('wms', 'warehouse', 'product.events'), refused('Group'))
    await assert.rejects(publish('wms', 'product.events'), refused('Topic'))
    assert.match(script, /# not permitted: wms reads product\.events by type/)
  })

  test('the JSON says what the commands say', async () => {
    const { acls, withheld } = JSON.parse(await printedRules(consumers, 'kafka', '--json')) as KafkaRules
    const asked = acls.flatMap(({ principal, operations, resource, name, pattern }) =>
      operations.map(operation => [principal, operation.toUpperCase(), resource.toUpperCase(), name, pattern.toUpperCase()])
    )
    const named = <Value extends number>(values: Record<string, Value>, value: number) =>
      Object.keys(values).find(name => values[name] === value)
    const said = (await callsOf('kafka-acls.sh', script))
      .flatMap(aclsOf)
      .map(acl => [
        acl.principal,
        named(AclOperations, acl.operation),
        named(ResourceTypes, acl.resourceType),
        acl.resourceName,
        named(ResourcePatternTypes, acl.resourcePatternType)
      ])
    assert.deepEqual([asked, withheld], [said, ['wms reads product.events']])
  })

  test('the page says for our services what is printed for them', async () => {
    const page = await readFile('docs/how-to/kafka.md', 'utf8')
    const { acls } = JSON.parse(await printedRules(consumers, 'kafka', '--json')) as KafkaRules
    for (const { operations, resource, name, pattern } of acls.filter(({ principal }) => principal === 'User:product')) {
      const row = `| ${operations.map(operation => `\`${operation}\``).join(', ')} | ${resource} \`${name}\`${pattern === 'prefixed' ? ', by prefix' : ''} |`
      assert.ok(page.includes(row), row)
    }
  })
})
