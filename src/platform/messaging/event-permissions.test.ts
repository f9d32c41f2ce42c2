import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { events } from '#contracts/catalogue.ts'
import { everyoneReads } from '#contracts/event-consumers.ts'
import { Problem } from '#contracts/problems.ts'
import { services } from '../../roles.ts'
import { ConfigInvalid, readConfig } from '../config.ts'
import { API_KEY_ISSUER } from '../identity/actor.ts'
import { consumersOf, faultsOfConsumers, openEventPermissions } from './event-permissions.ts'

const reader = (clientId: string, scopes: string[] = [], issuer = 'https://id.example') => ({
  clientId,
  issuer,
  scopes: new Set(['events:read', ...scopes])
})
const withConsumers = (consumers: unknown, everyone?: string[]) =>
  openEventPermissions(JSON.stringify({ consumers, ...(everyone ? { everyone } : {}) }))
const stock = ['InventoryUpdated', 'InventoryLowStock']
const crm = { clients: ['crm', 'api-key:0190'], reads: { 'product.events': stock } }

describe('which types a client may read', () => {
  test('without an entry: what everyone may read, of which nothing is about orders, stock, people or imports', () => {
    const { readableBy } = openEventPermissions(undefined)
    assert.deepEqual(readableBy(reader('anybody')), everyoneReads)
    const revealing = events.filter(({ type }) => /^Inventory|^Order|^User|Viewed$|Import/.test(type)).map(({ type }) => type)
    assert.ok(revealing.length > 10)
    assert.deepEqual(
      everyoneReads.filter(type => revealing.includes(type)),
      []
    )
    assert.deepEqual(withConsumers({}, ['ProductCreated']).readableBy(reader('anybody')), ['ProductCreated'])
    assert.equal(withConsumers({}, ['*']).readableBy(reader('anybody')), null)
  })

  test('with an entry: those of the entry and no others, whatever else the client may do', () => {
    const permissions = withConsumers({ crm })
    for (const scopes of [[], ['operations:read']]) {
      assert.deepEqual(permissions.readableBy(reader('crm', scopes)), stock)
      assert.equal(permissions.mayRead(reader('crm', scopes), 'InventoryUpdated'), true)
      assert.equal(permissions.mayRead(reader('crm', scopes), 'ProductCreated'), false)
    }
    assert.equal(permissions.readableBy(reader('order-service')), null)
    assert.equal(permissions.mayRead(reader('order-service'), 'Unheard'), true)
  })

  test('every one to an operator, who sees them in dead letters too', () => {
    assert.equal(openEventPermissions(undefined).readableBy(reader('somebody', ['operations:read'])), null)
  })

  test('an API key is what comes with that key; a token cannot name itself so, nor a key like a client', () => {
    const { readableBy } = withConsumers({ crm })
    assert.deepEqual(readableBy(reader('api-key:0190', [], API_KEY_ISSUER)), stock)
    assert.deepEqual(readableBy(reader('api-key:0190')), everyoneReads)
    assert.deepEqual(readableBy(reader('crm', [], API_KEY_ISSUER)), everyoneReads)
  })

  test('an entry of the operator stands in place of ours of that name, and null takes ours away', () => {
    const order = {
      clients: ['order-service'],
      reads: { 'product.events': ['InventoryReserved'] },
      publishes: { 'order.events': ['*'] }
    }
    assert.deepEqual(withConsumers({ order }).readableBy(reader('order-service')), ['InventoryReserved'])
    assert.deepEqual(withConsumers({ order: null }).readableBy(reader('order-service')), everyoneReads)
    assert.deepEqual(Object.keys(consumersOf('{"consumers":{"search":null}}')), ['product', 'order', 'user'])
  })
})

describe('a question', () => {
  const { narrow } = withConsumers({ crm, mute: { clients: ['mute'] } })
  const refusal = (types: string[] | null, clientId: string) => {
    try {
      narrow(types, reader(clientId))
    } catch (error) {
      assert.ok(error instanceof Problem)
      return [error.status, error.code, error.message, error.extensions.eventTypes]
    }
    return undefined
  }

  test('is narrowed to what may be read, and refused where it names what may not', () => {
    assert.deepEqual(narrow(null, reader('crm')), stock)
    assert.deepEqual(narrow(['InventoryLowStock'], reader('crm')), ['InventoryLowStock'])
    assert.equal(narrow(null, reader('order-service')), null)
    assert.deepEqual(narrow(['Unheard'], reader('order-service')), ['Unheard'])
    assert.deepEqual(refusal(['InventoryUpdated', 'ProductCreated', 'ProductViewed', 'ProductViewed'], 'crm'), [
      403,
      'event-type-not-permitted',
      'This client may not read ProductCreated, ProductViewed',
      ['ProductCreated', 'ProductViewed']
    ])
  })

  test('of who may read nothing is refused', () => {
    assert.deepEqual(refusal(null, 'mute'), [403, 'event-type-not-permitted', 'This client may read no events', []])
  })
})

describe('the setting', () => {
  const faults = (setting: unknown) => faultsOfConsumers({ EVENT_CONSUMERS: JSON.stringify(setting) })

  test('is refused at boot with every fault at once, each with its place', () => {
    const EVENT_CONSUMERS = JSON.stringify({
      everyone: ['OrderCreated'],
      consumers: {
        CRM: {},
        amq: {},
        crm: { client: 'crm', user: 'a b', reads: { 'products.events': ['*'], 'user.events': [] } },
        mail: { reads: { 'product.events': ['ProductCreated', 'ProductBought'] } }
      }
    })
    assert.throws(
      () => readConfig({ EVENT_CONSUMERS }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigInvalid)
        const places = [
          '/everyone/0',
          '/consumers/CRM',
          '/consumers/amq',
          '/consumers/crm/client ',
          '/consumers/crm/user ',
          '/consumers/crm/reads/products.events ',
          '/consumers/crm/reads/user.events ',
          '/consumers/mail/reads/product.events/1 '
        ]
        for (const place of places) assert.ok(error.message.includes(`EVENT_CONSUMERS: #${place}`), `${place}: ${error.message}`)
        return true
      }
    )
    assert.match(faultsOfConsumers({ EVENT_CONSUMERS: '{' }).join(), /^EVENT_CONSUMERS: is not JSON: /)
    assert.match(faults('everything').join(), /^EVENT_CONSUMERS: # /)
  })

  test('is refused where two would be one, and where one would own what is another’s', () => {
    assert.deepEqual(
      faults({
        consumers: {
          a: { clients: ['x'], user: 'y' },
          b: { clients: ['x'], user: 'y' },
          user: { reads: { 'product.events': ['*', 'ProductCreated'] } }
        }
      }),
      [
        'EVENT_CONSUMERS: the client x can only be of one of a, b',
        'EVENT_CONSUMERS: the broker user y can only be of one of a, b',
        `EVENT_CONSUMERS: #/consumers/user needs another name, or must publish user.events: what begins with 'user.' on the broker is its own`,
        'EVENT_CONSUMERS: #/consumers/user/reads/product.events names types beside *, which is all of them'
      ]
    )
  })

  test('may be left out, be empty, and be what the example and the page say', () => {
    const [example, page] = ['examples/event-consumers.json', 'docs/how-to/consumer-permissions.md'].map(file =>
      readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')
    )
    const written = /```json\n(.*?)```/s.exec(page!)![1]
    for (const EVENT_CONSUMERS of [undefined, '{}', example, written]) assert.deepEqual(faultsOfConsumers({ EVENT_CONSUMERS }), [])
  })
})

test('our services may read and publish what they do read and publish, and nothing else', () => {
  const config = readConfig({})
  const consumers = consumersOf(undefined)
  for (const service of services) {
    const { reads = {}, publishes = [] } = consumers[service.name]!
    const subscribed = typeof service.consumers === 'function' ? service.consumers(config) : service.consumers
    const topics = new Set(Object.values(subscribed).flatMap(reactions => reactions.map(({ event }) => event.topic)))
    // By these everybody knows what users may do who does not keep the users.
    if (!service.users) topics.add('user.events')
    assert.deepEqual([service.name, Object.keys(reads).sort()], [service.name, [...topics].sort()])
    const own = events.map(({ topic }) => topic).filter(topic => topic.startsWith(`${service.name}.`))
    assert.deepEqual([service.name, publishes], [service.name, [...new Set(own)]])
  }
})
