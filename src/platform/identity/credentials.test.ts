import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Actor, Authenticator } from './actor.ts'
import { openCredentials } from './credentials.ts'

const actorOf = (subject: string): Actor => ({ subject, clientId: subject, issuer: 'test', scopes: new Set() })
const seen: (string | undefined)[] = []
const by = (subject: string): Authenticator => ({
  authenticate(_headers, address) {
    seen.push(address)
    return actorOf(subject)
  }
})
const credentials = openCredentials({ tokens: by('token'), apiKeys: by('key') })

test('a request is known by the one credential that it has, and without any by what refuses a missing token', () => {
  assert.deepEqual(credentials.authenticate({ authorization: 'Bearer x' }, '192.0.2.1'), actorOf('token'))
  assert.deepEqual(credentials.authenticate({ 'x-api-key': 'x' }, '192.0.2.2'), actorOf('key'))
  assert.deepEqual(credentials.authenticate({}, '192.0.2.3'), actorOf('token'))
  assert.deepEqual(seen.splice(0), ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
})

test('a request with two credentials is refused before either is looked at, whatever they are', () => {
  for (const headers of [
    { authorization: 'Bearer x', 'x-api-key': 'x' },
    { authorization: '', 'x-api-key': '' },
    { authorization: 'Basic x', 'x-api-key': 'x' },
    { 'x-api-key': 'x, y' }
  ]) {
    assert.throws(() => credentials.authenticate(headers), { code: 'invalid-request' })
  }
  assert.deepEqual(seen, [])
})
