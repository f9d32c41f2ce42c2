import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { newId } from '../id.ts'
import { isDigest, newApiKey, readApiKey } from './api-key.ts'

const letters = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-. \n'

test('a key says its environment and id, proves itself by 160 bits of chance, and reads back as what is kept of it', () => {
  const seen = new Set<string>()
  const used = new Set<string>()
  for (let count = 0; count < 2000; count++) {
    const apiKeyId = newId()
    const { key, digest } = newApiKey(apiKeyId, 'live')
    const [, id, secret] = /^psk_live_([0-9a-f]{32})_([0-9a-hjkmnp-tv-z]{32})[0-9a-hjkmnp-tv-z]{7}$/.exec(key)!
    assert.equal(id, apiKeyId.replaceAll('-', ''))
    assert.deepEqual(digest, createHash('sha256').update(secret!).digest())
    assert.deepEqual(readApiKey(key, 'live'), { apiKeyId, digest: digest.toString('base64url') })
    seen.add(secret!)
    for (const letter of secret!) used.add(letter)
  }
  assert.deepEqual([seen.size, used.size], [2000, 32])
})

test('each of 32 letters is as likely as any other', () => {
  const counts = new Map<string, number>()
  for (let count = 0; count < 3000; count++) {
    for (const letter of newApiKey(newId()).key.slice(-39, -7)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  }
  // 3,000 of each, give or take seven standard deviations.
  for (const [letter, count] of counts) assert.ok(Math.abs(count - 3000) < 380, `${letter} came ${count} times`)
})

test('a key with one character mistyped, left out, doubled or exchanged with its neighbour is no key', () => {
  const { key } = newApiKey(newId(), 'live')
  fc.assert(
    fc.property(
      fc.nat(key.length - 2),
      fc.constantFrom(...letters),
      fc.constantFrom('typed', 'left out', 'added', 'exchanged'),
      (at, letter, how) => {
        const wrong = {
          typed: key.slice(0, at) + letter + key.slice(at + 1),
          'left out': key.slice(0, at) + key.slice(at + 1),
          added: key.slice(0, at) + letter + key.slice(at),
          exchanged: key.slice(0, at) + key[at + 1]! + key[at]! + key.slice(at + 2)
        }[how]
        return wrong === key || readApiKey(wrong, 'live') === undefined
      }
    ),
    { numRuns: 20_000 }
  )
})

test('a key of another environment is none here', () => {
  const { key } = newApiKey(newId(), 'live')
  assert.equal(readApiKey(key, 'dev'), undefined)
  assert.equal(readApiKey(key.replace('live', 'dev'), 'dev'), undefined)
})

test('whatever else is sent as a key is none, and is told so quickly', () => {
  const begun = performance.now()
  for (const text of [
    '',
    'psk_',
    'psk_live__',
    '__proto__',
    `psk_live_${'0'.repeat(32)}_`.repeat(100),
    'psk_live_'.repeat(10_000)
  ]) {
    assert.equal(readApiKey(text, 'live'), undefined)
  }
  assert.ok(performance.now() - begun < 50)
})

test('a digest is compared whole, and one of another length is another', () => {
  const { key, digest } = newApiKey(newId(), 'live')
  const presented = readApiKey(key, 'live')!.digest
  assert.equal(isDigest(presented, digest), true)
  for (let at = 0; at < 32; at++) {
    const other = Buffer.from(digest)
    other[at] = other[at]! ^ 1
    assert.equal(isDigest(presented, other), false)
  }
  assert.equal(isDigest(presented.slice(0, 20), digest), false)
  assert.equal(isDigest('', digest), false)
})
