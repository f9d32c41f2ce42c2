import assert from 'node:assert/strict'
import { test } from 'node:test'
import { destinationOf, type EgressRules } from './destination.ts'

const STRICT = { allowHttp: false, allowPrivate: false }
const HTTP = { allowHttp: true, allowPrivate: false }
const PRIVATE = { allowHttp: false, allowPrivate: true }

/** The address as it is used, or what is wrong with it. */
function answers(texts: readonly string[], rules: EgressRules = STRICT): string[] {
  return texts.map(text => {
    const destination = destinationOf(text, rules)
    return 'fault' in destination ? destination.fault : destination.url.href
  })
}

function allAre(answer: string, texts: readonly string[], rules?: EgressRules): void {
  assert.deepEqual(
    answers(texts, rules).map((each, index) => [texts[index], each]),
    texts.map(text => [text, answer])
  )
}

test('an address of the Internet is taken, in its normal spelling', () => {
  const texts = [
    'HTTPS://Example.COM:443/Hook?a=B@c',
    'https://bücher.example/ü',
    'https://example.com:8443',
    'https://8.8.8.8/',
    'https://0x8080808'
  ]
  assert.deepEqual(answers([...texts, 'https://[2606:4700:0:0::1]/', 'https://example.com./x', 'https:example.com/@']), [
    ...['https://example.com/Hook?a=B@c', 'https://xn--bcher-kva.example/%C3%BC', 'https://example.com:8443/', 'https://8.8.8.8/'],
    ...['https://8.8.8.8/', 'https://[2606:4700::1]/', 'https://example.com./x', 'https://example.com/@']
  ])
})

test('it is https, or also http where that is allowed', () => {
  allAre('must be https', [
    'http://example.com',
    'ftp://example.com',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:,x',
    'wss://example.com'
  ])
  allAre('must be https or http', ['ftp://example.com', 'gopher://example.com', 'ws://example.com'], HTTP)
  allAre('http://example.com/', ['http://example.com', 'HTTP://EXAMPLE.com:80'], HTTP)
})

test('it is a whole URL', () => {
  allAre('must be a URL', [
    '',
    'example.com',
    '/hook',
    '//example.com',
    'https://',
    'https://?',
    'https://a:b',
    'https://a:70000',
    'https://[::1',
    'https://1.2.3.256',
    'https://[fe80::1%25eth0]/',
    'https://a%00b/',
    'https://a^b/'
  ])
  allAre('must have a host', ['https://a..b/', 'https://127.0.0.1../', 'https://localhost../', 'https://./'])
})

test('it has at most 2048 characters as sent', () => {
  const longest = `https://example.com/${'x'.repeat(2028)}`
  assert.equal(longest.length, 2048)
  allAre(longest, [longest])
  allAre('must have at most 2048 characters', [`${longest}x`])
})

test('it has no user information and no fragment, not even empty ones', () => {
  allAre('must have no user name or password', [
    'https://user:pass@example.com/',
    'https://user@example.com',
    'https://@example.com',
    'https://:@example.com',
    'https:/@example.com',
    'https:@example.com?x',
    'https://example.com@127.0.0.1/',
    'https:////a@example.com/'
  ])
  allAre('must have no fragment', ['https://example.com/#x', 'https://example.com/#', 'https://example.com#@127.0.0.1/'])
})

test('it has nothing that parsing would pass over in silence', () => {
  const texts = ['\\', '\t', '\n', '\r\n', ' ', '\u0000', '\u001f', '\u007f', '\u0085', '\u00a0', '\u2028', '\ufeff', '\u3000']
  const places = (part: string) => [
    `${part}https://example.com`,
    `ht${part}tps://example.com`,
    `https://exam${part}ple.com/`,
    `https://example.com/${part}x`,
    `https://example.com/x${part}`
  ]
  allAre('must have no whitespace, control characters or backslashes', texts.flatMap(places))
})

test('its port is 443 or 8443, or any where http or private addresses are allowed', () => {
  allAre('must have port 443 or 8443', [
    'https://example.com:80/',
    'https://example.com:22',
    'https://8.8.8.8:5432/',
    'https://example.com:444'
  ])
  allAre('https://example.com:5000/', ['https://example.com:5000'], HTTP)
  allAre('https://example.com:5000/', ['https://example.com:5000'], PRIVATE)
  allAre('must have a port', ['https://example.com:0'], PRIVATE)
})

test('a literal address is public, in whatever spelling, unless private ones are allowed', () => {
  const texts = [
    '127.0.0.1',
    '127.0.0.1.',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '１２７.0.0.1',
    '127。0。0。1',
    '%3127.0.0.1',
    '0',
    '10.1.2.3',
    '169.254.169.254',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[fd00:ec2::254]'
  ]
  allAre(
    'must have a public address',
    texts.map(host => `https://${host}/`)
  )
  assert.deepEqual(answers(['https://0x7f.1/', 'https://[::ffff:127.0.0.1]/'], PRIVATE), [
    'https://127.0.0.1/',
    'https://[::ffff:7f00:1]/'
  ])
})

test('a name is not of this machine or network, in whatever spelling, unless private ones are allowed', () => {
  const texts = [
    'localhost',
    'LOCALHOST',
    'localhost.',
    'a.localhost',
    'a.localhost.',
    'printer.local',
    'db.internal',
    'metadata.google.internal',
    'metadata.google.internal.',
    'nas.home.arpa',
    'home.arpa',
    'postgres',
    'postgres.',
    'ⓛocalhost',
    'loc\u00adalhost',
    'local%68ost',
    'a。local'
  ]
  allAre(
    'must have a public name',
    texts.map(host => `https://${host}/`)
  )
  allAre('https://localhost/', ['https://localhost', 'https://ⓛocalhost'], PRIVATE)
  assert.deepEqual(answers(['https://notlocalhost.example', 'https://internal.example', 'https://home.arpa.example']), [
    'https://notlocalhost.example/',
    'https://internal.example/',
    'https://home.arpa.example/'
  ])
})
