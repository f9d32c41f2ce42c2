import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { test } from 'node:test'
import { isPublic } from './addresses.ts'

test('addresses of the Internet are public, and so are the neighbours of networks that are not', () => {
  const addresses = [
    ...['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.0'],
    ...['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.167.255.255', '192.169.0.0'],
    ...['198.17.255.255', '198.20.0.0', '203.0.112.255', '223.255.255.255', '::ffff:8.8.8.8', '0:0:0:0:0:FFFF:0808:0808'],
    ...['2606:4700:4700::1111', '2001:4860:4860::8888', '2001:db7:ffff::1', '2001:db9::', '2003::1', '3ffe:ffff::1']
  ]
  assert.deepEqual(
    addresses.filter(address => !isPublic(address)),
    []
  )
})

test('no address of a network with another use is public, neither its first nor its last', () => {
  const addresses = [
    ...['0.0.0.0', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255', '127.0.0.0', '127.255.255.255'],
    ...['169.254.0.0', '169.254.169.254', '169.254.255.255', '172.16.0.0', '172.31.255.255', '192.0.0.0', '192.0.0.255'],
    ...['192.0.2.0', '192.0.2.255', '192.88.99.0', '192.88.99.255', '192.168.0.0', '192.168.255.255', '198.18.0.0'],
    ...['198.19.255.255', '198.51.100.0', '198.51.100.255', '203.0.113.0', '203.0.113.255', '224.0.0.0', '239.255.255.255'],
    ...['240.0.0.0', '255.255.255.254', '255.255.255.255', '::', '::1', '0:0:0:0:0:0:0:1', '::8.8.8.8', '::808:808'],
    ...['64:ff9b::', '64:ff9b::8.8.8.8', '64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff', '100::', '100::ffff:ffff:ffff:ffff'],
    ...[
      '2001::',
      '2001:0:ffff:ffff:ffff:ffff:ffff:ffff',
      '2001:2::1',
      '2001:10::1',
      '2001:20::1',
      '2001:db8::',
      '2001:DB8:ffff::1'
    ],
    ...['2002::', '2002:7f00:1::', '2002:ffff:ffff::1', '3fff::', '3fff:fff:ffff::1', '5f00::', '5f00:ffff::1', 'fc00::'],
    ...['fd00:ec2::254', 'fdff:ffff::1', 'fe80::', 'fe80::1', 'febf:ffff::1', 'fec0::1', 'feff::1', 'ff00::', 'ff02::1', 'ffff::1'],
    ...['4000::1', '::ffff:0:8.8.8.8', '::1:0:0:0']
  ]
  assert.deepEqual(addresses.filter(isPublic), [])
})

test('an IPv4 address in IPv6 is what it is without, however it is spelled', () => {
  const addresses = [
    '::ffff:127.0.0.1',
    '::FFFF:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:a00:1',
    '::ffff:a9fe:a9fe',
    '::ffff:0:0'
  ]
  assert.deepEqual(addresses.filter(isPublic), [])
})

test('what is no address is not public, and neither is one with a zone', () => {
  const texts = [
    ...['', ' ', 'example.com', '8.8.8', '8.8.8.8.', ' 8.8.8.8', '8.8.8.8 ', '08.8.8.8', '0x8.8.8.8', '134744072', '8.8.8.8/32'],
    ...[
      '8.8.8.8:80',
      '[2606::1]',
      '2606::1::',
      'fe80::1%eth0',
      '2606:4700::1%eth0',
      '2606:4700::1%25eth0',
      '8.8.8.8%eth0',
      '٨.٨.٨.٨'
    ]
  ]
  assert.deepEqual(texts.filter(isPublic), [])
})

test('the addresses of this machine are not public: it is asked for them once a minute', t => {
  let now = performance.now() + 3_600_000
  t.mock.method(performance, 'now', () => now)
  let addresses = ['8.8.4.4', '2606:4700::5']
  const asked = t.mock.method(os, 'networkInterfaces', () => ({ eth0: addresses.map(address => ({ address })), lo: undefined }))
  syncBuiltinESMExports()
  try {
    const others = ['8.8.4.4', '::ffff:8.8.4.4', '2606:4700:0:0::5', '1.1.1.1']
    assert.deepEqual(others.map(isPublic), [false, false, false, true])
    addresses = ['1.1.1.1']
    now += 59_999
    assert.deepEqual(others.map(isPublic), [false, false, false, true])
    assert.equal(asked.mock.callCount(), 1)
    now += 1
    assert.deepEqual(others.map(isPublic), [true, true, true, false])
    assert.equal(asked.mock.callCount(), 2)
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
})
