import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readConfig } from '../config.ts'
import { faultsOfTrust, trustOf } from './event-sources.ts'

const urls = { product: 'http://127.0.0.1:4123/v1', order: 'https://shop.example/orders/v2/', user: 'http://user:8080' }
const sourcesOf = (settings: Parameters<typeof trustOf>[0], addresses: Parameters<typeof trustOf>[1] = urls) =>
  trustOf(settings, addresses).sources.map(({ source, topic, url }) => [source, topic, url()])

suite('without any setting', () => {
  test('our own events must be signed, and those of others may be', () => {
    assert.deepEqual(trustOf({}, {}).policies, { 'product.events': 'require', 'order.events': 'warn', 'user.events': 'warn' })
  })

  test('the key set of each service is beside its API, wherever that turns out to be', () => {
    assert.deepEqual(sourcesOf({}), [
      ['/product-service', 'product.events', 'http://127.0.0.1:4123/.well-known/jwks.json'],
      ['/order-service', 'order.events', 'https://shop.example/orders/.well-known/jwks.json'],
      ['/user-service', 'user.events', 'http://user:8080/.well-known/jwks.json']
    ])
    const known: Record<string, string> = {}
    const { sources } = trustOf({}, known)
    assert.equal(sources[1]!.url(), undefined)
    known.order = 'http://127.0.0.1:4124/v1'
    assert.equal(sources[1]!.url(), 'http://127.0.0.1:4124/.well-known/jwks.json')
  })
})

test('a setting says otherwise, for one topic or source alone', () => {
  const EVENT_SOURCES = ' /order-service=https://orders.example/jwks.json?a=b , /shop@order.events=https://shop.example/jwks.json'
  const settings = { EVENT_SIGNATURES: 'order.events=require', EVENT_SOURCES }
  assert.deepEqual(trustOf(settings, {}).policies, {
    'product.events': 'require',
    'order.events': 'require',
    'user.events': 'warn'
  })
  assert.deepEqual(sourcesOf(settings), [
    ['/order-service', 'order.events', 'https://orders.example/jwks.json?a=b'],
    ['/shop', 'order.events', 'https://shop.example/jwks.json'],
    ['/product-service', 'product.events', 'http://127.0.0.1:4123/.well-known/jwks.json'],
    ['/user-service', 'user.events', 'http://user:8080/.well-known/jwks.json']
  ])
})

suite('what cannot be meant is refused at the start', () => {
  const faults: [Parameters<typeof trustOf>[0], RegExp][] = [
    [{ EVENT_SIGNATURES: 'order.event=warn' }, /no topic order\.event$/m],
    [{ EVENT_SIGNATURES: 'order.events=strict' }, /require, warn or off, not 'strict'/],
    [{ EVENT_SIGNATURES: 'order.events' }, /require, warn or off, not ''/],
    [{ EVENT_SOURCES: '/order-service=nowhere' }, /no source and URL/],
    [{ EVENT_SOURCES: '/order-service' }, /no source and URL/],
    [{ EVENT_SOURCES: '/shop=https://shop.example/jwks.json' }, /\/shop needs a topic/],
    [{ EVENT_SOURCES: '/shop@shop.events=https://shop.example/jwks.json' }, /no topic shop\.events/]
  ]
  for (const [settings, fault] of faults) {
    test(Object.values(settings).join(), () => {
      assert.match(faultsOfTrust({ NODE_ENV: 'development', ...settings }).join('\n'), fault)
      assert.throws(() => readConfig(settings as Record<string, string>), fault)
    })
  }

  test('in production every topic has a policy that somebody chose, and keys are sealed', () => {
    const production = {
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://x/y?sslmode=verify-full',
      ISSUER_URL: 'https://x',
      JWKS_URL: 'https://x/jwks',
      USER_CHECKS: 'off'
    }
    assert.throws(
      () => readConfig(production),
      /EVENT_SIGNATURES: is to be chosen[^\n]*product\.events=require,order\.events=warn,user\.events=warn/
    )
    assert.throws(() => readConfig(production), /SIGNING_KEY_SECRET: is needed in production/)
    const secret = { SIGNING_KEY_SECRET: 'a secret of thirty-two characters or more' }
    const some = { ...production, ...secret, EVENT_SIGNATURES: 'product.events=require,order.events=off' }
    assert.throws(() => readConfig(some), /chosen in production, such as user\.events=warn$/m)
    readConfig({ ...some, EVENT_SIGNATURES: 'product.events=require,order.events=off,user.events=off' })
  })
})
