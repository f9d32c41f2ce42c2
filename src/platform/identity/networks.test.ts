import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultyNetworks, networksOf, placeOf } from './networks.ts'

test('an address is in a network whichever way a socket writes it', () => {
  const networks = networksOf(['203.0.113.0/24', '2001:db8::/32', '198.51.100.7/32'])
  for (const inside of ['203.0.113.9', '::ffff:203.0.113.9', '2001:db8:1::1', '198.51.100.7'])
    assert.equal(networks.has(inside), true)
  for (const outside of ['203.0.114.9', '::ffff:203.0.114.9', '2001:db9::1', '198.51.100.8', '', 'rubbish', '::1'])
    assert.equal(networks.has(outside), false)
})

test('what only looks like a network is named by its place', () => {
  assert.deepEqual(faultyNetworks(['203.0.113.0/24', '1:2:3:4:5:6:7:8:9::/8', '2001:db8::/32', '1::2:3:4:5:6:7:8:9/64']), [1, 3])
})

test('an address of IPv4 counts for itself, one of IPv6 for its network of 64 bits', () => {
  assert.equal(placeOf('203.0.113.9'), '203.0.113.9')
  assert.equal(placeOf('::ffff:203.0.113.9'), '203.0.113.9')
  assert.equal(placeOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(placeOf('2001:db8:1:2::9'), '2001:db8:1:2::/64')
  assert.equal(placeOf('2001:db8::9'), '2001:db8:0:0::/64')
  assert.equal(placeOf('::1'), '0:0:0:0::/64')
})
