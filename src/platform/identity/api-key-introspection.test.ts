import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { eventually } from '../../../test/support/world.ts'
import { newId } from '../id.ts'
import { newApiKey, readApiKey } from './api-key.ts'
import { type Introspection, openIntrospection } from './api-key-introspection.ts'

const standing = { active: true, scopes: ['catalog:read'], networks: [], expiresAt: null }
const { key } = newApiKey(newId(), 'live')
const presented = readApiKey(key, 'live')!

/** Plays the issuer and the Product Service: what it was sent, and what it answers to who asks about a key. */
let heard: string[] = []
let answer: { status: number; body: unknown } | 'silence'
const server = createServer(async (request, response) => {
  const body = await text(request)
  heard.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body}`)
  const token = { access_token: 'token of the services', expires_in: 300 }
  const reply = request.url === '/oauth/token' ? { status: 200, body: token } : answer
  if (reply === 'silence') return
  response.writeHead(reply.status, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body))
})
let url: string
let introspection: Introspection

before(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  heard = []
  answer = { status: 200, body: standing }
  const credentials = { tokenUrl: `${url}/oauth/token`, clientId: 'services', clientSecret: 'services-secret' }
  introspection = openIntrospection({ serviceUrl: () => `${url}/shop/v1`, credentials: () => credentials })
})
afterEach(() => introspection[Symbol.asyncDispose]())

test('the Product Service is asked as the service that asks, by the digest of the secret and never by the secret', async () => {
  // The first call opens connections and gets a token, which a busy machine may take too long over: then it is asked again.
  const told = await eventually(
    () => introspection.lookUp(presented).catch(() => undefined),
    found => found !== undefined
  )
  assert.deepEqual(told, standing)
  const question = heard.find(each => each.startsWith('POST /shop/v1/api-keys/introspection '))!
  assert.match(question, /Bearer token of the services/)
  assert.ok(question.endsWith(JSON.stringify(presented)))
  assert.ok(!heard.join().includes(key.split('_')[3]!.slice(0, 32)))
})

test('whatever is not an answer is none: no refusal and no fault says that a key is bad', async () => {
  for (const status of [401, 403, 404, 429, 500, 503]) {
    answer = { status, body: { code: 'x' } }
    await assert.rejects(introspection.lookUp(presented), String(status))
  }
})

test('silence is waited for two seconds at most', async () => {
  answer = 'silence'
  const begun = performance.now()
  await assert.rejects(introspection.lookUp(presented))
  assert.ok(performance.now() - begun < 4000)
})

test('who has no credentials for it is told which settings are missing', async () => {
  await using without = openIntrospection({ serviceUrl: () => url, credentials: () => undefined })
  await assert.rejects(without.lookUp(presented), /TOKEN_URL, CLIENT_ID and CLIENT_SECRET/)
  assert.deepEqual(heard, [])
})
