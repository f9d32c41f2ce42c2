import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../config.ts'
import { clientAddress, trustedProxies } from '../identity/trusted-proxies.ts'
import { listed } from '../text/listed.ts'
import { faultsOfEdge } from './edge-settings.ts'

const faults = (settings: { TRUSTED_PROXIES?: string; CORS_ORIGINS?: string }, NODE_ENV = 'development') =>
  faultsOfEdge({ NODE_ENV, ...settings })

test('origins are taken exactly as browsers write them, and nothing else is', () => {
  const good = 'https://shop.example, http://localhost:3000,https://xn--bcher-kva.example:8443'
  assert.deepEqual(faults({ CORS_ORIGINS: good }), [])
  assert.deepEqual(listed(good), ['https://shop.example', 'http://localhost:3000', 'https://xn--bcher-kva.example:8443'])
  const bad = [
    '*',
    'null',
    'shop.example',
    'https://*.shop.example',
    'https://shop.example/',
    'https://shop.example/app',
    'https://SHOP.example',
    'https://shop.example:443',
    'https://user@shop.example',
    'https://shop.example?x',
    'ftp://shop.example',
    'file:///tmp',
    'javascript:alert(1)'
  ]
  for (const CORS_ORIGINS of bad) assert.equal(faults({ CORS_ORIGINS }).length, 1, CORS_ORIGINS)
  assert.deepEqual(faults({ CORS_ORIGINS: 'https://a.example,*,null' }).length, 2)
  assert.match(faults({ CORS_ORIGINS: 'http://shop.example' }, 'production')[0]!, /^CORS_ORIGINS: .*https/)
  assert.throws(() => readConfig({ CORS_ORIGINS: '*' }), /CORS_ORIGINS: \* is everybody/)
})

test('trusted proxies are addresses and networks, and never everybody', () => {
  const good = '10.0.0.7,10.1.0.0/16, fd00::/8 ,::1'
  assert.deepEqual(faults({ TRUSTED_PROXIES: good }), [])
  const trusts = trustedProxies(good)!
  const trusted = ['10.0.0.7', '10.1.255.1', 'fd12::1', '::1', '::ffff:10.0.0.7'].map(trusts)
  const others = ['10.0.0.8', '10.2.0.1', 'fe80::1', '::2', '::ffff:10.0.0.8', 'nonsense', '', '10.0.0.7, 1.1.1.1'].map(trusts)
  assert.deepEqual([new Set(trusted), new Set(others)], [new Set([true]), new Set([false])])
  for (const TRUSTED_PROXIES of ['proxy', '10.0.0', '10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/8/8', '::/129', '0.0.0.0/0', '::/0']) {
    assert.equal(faults({ TRUSTED_PROXIES }).length, 1, TRUSTED_PROXIES)
  }
  assert.equal(trustedProxies(undefined), undefined)
  assert.throws(() => readConfig({ TRUSTED_PROXIES: 'proxy' }), /TRUSTED_PROXIES: proxy is neither/)
})

test('what a proxy calls an address and is none is not where a request comes from', () => {
  const socket = { remoteAddress: '10.0.0.7' }
  assert.equal(clientAddress({ ip: '203.0.113.1', socket }), '203.0.113.1')
  for (const ip of ['unknown', '_hidden', '203.0.113.1:80', '']) assert.equal(clientAddress({ ip, socket }), '10.0.0.7')
})

test('quotas are 60,000, 600 and 20 a minute, and 0 turns one off', () => {
  const { RATE_LIMIT_CLIENT_PER_MINUTE, RATE_LIMIT_ADDRESS_PER_MINUTE, RATE_LIMIT_FAILURES_PER_MINUTE } = readConfig({})
  assert.deepEqual([RATE_LIMIT_CLIENT_PER_MINUTE, RATE_LIMIT_ADDRESS_PER_MINUTE, RATE_LIMIT_FAILURES_PER_MINUTE], [60_000, 600, 20])
  assert.equal(readConfig({ RATE_LIMIT_ADDRESS_PER_MINUTE: '0' }).RATE_LIMIT_ADDRESS_PER_MINUTE, 0)
  assert.throws(() => readConfig({ RATE_LIMIT_ADDRESS_PER_MINUTE: '-1' }), /RATE_LIMIT_ADDRESS_PER_MINUTE/)
})
