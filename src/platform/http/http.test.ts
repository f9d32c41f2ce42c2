import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { describe, test } from 'node:test'
import { Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import { exchange } from '../../../test/support/raw-http.ts'
import type { Reply } from '../../../test/support/service.ts'
import { openLog } from '../log.ts'
import { read } from './handlers.ts'
import { serve } from './http.ts'
import type { Edge } from './http-answers.ts'
import type { HttpServer } from './http-server.ts'

const api = defineApi({
  service: 'test',
  title: 'Test',
  version: '1.0.0',
  description: 'One thing at once, and one that waits.',
  operations: {
    now: {
      method: 'GET',
      path: '/now',
      tag: '',
      summary: '',
      scope: null,
      reply: { status: 200, body: Type.Object({}), description: '' }
    },
    later: {
      method: 'POST',
      path: '/later',
      tag: '',
      summary: '',
      scope: null,
      reply: { status: 200, body: Type.Object({}), description: '' }
    },
    guarded: {
      method: 'GET',
      path: '/guarded',
      tag: '',
      summary: '',
      scope: 'orders:read',
      reply: { status: 204, description: '' }
    },
    broken: { method: 'GET', path: '/broken', tag: '', summary: '', scope: null, reply: { status: 204, description: '' } }
  }
})

/** A server whose `later` answers when it is let go. */
async function open(options: { inFlightMax?: number; shutdownTimeoutMs?: number } = {}) {
  const waiting: (() => void)[] = []
  const edge = {
    baseUrl: 'http://localhost:8080',
    handlers: {
      now: read(async () => ({ answer: 'now' })),
      later: read(async () => {
        await new Promise<void>(resolve => waiting.push(resolve))
        return { answer: 'later' }
      }),
      guarded: read(async () => undefined),
      broken: read(async () => {
        throw new Error('insert into secrets failed at /srv/secrets.ts')
      })
    }
  } as unknown as Edge
  const server: HttpServer = await serve({
    api,
    edge,
    authenticator: {
      async authenticate({ authorization }) {
        if (authorization === 'Bearer away') throw new Problem('unavailable', "The issuer's keys cannot be fetched")
        if (authorization !== 'Bearer good') throw new Problem('unauthenticated')
        return { subject: 'u', clientId: 'u', issuer: 'test', scopes: new Set(['orders:write']) }
      }
    },
    log: openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' }),
    baseUrl: edge.baseUrl,
    host: '127.0.0.1',
    port: 0,
    inFlightMax: 10,
    shutdownTimeoutMs: 10_000,
    extend: app => app.get('/health/live', async () => ({ status: 'ok' })),
    ...options
  })
  const ask = async (method: string, path: string, headers: Record<string, string> = {}): Promise<Reply> => {
    const response = await fetch(server.url + path, { method, headers })
    return { status: response.status, headers: response.headers, body: response.status === 204 ? '' : await response.json() }
  }
  const until = async (count: number) => {
    while (waiting.length < count) await new Promise(setImmediate)
  }
  const letGo = () => {
    for (const each of waiting.splice(0)) each()
  }
  return { server, ask, until, letGo, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

describe('a server with more to do than it may', () => {
  test('refuses what is too much and says when to come again; what it has taken on it does', async () => {
    await using opened = await open({ inFlightMax: 2 })
    const { ask, until, letGo } = opened
    const taken = [ask('POST', '/later'), ask('POST', '/later')]
    await until(2)
    const refused = await ask('GET', '/now')
    assertProblem(refused, 'unavailable')
    assert.equal(refused.headers.get('retry-after'), '1')
    letGo()
    assert.deepEqual(
      (await Promise.all(taken)).map(({ status }) => status),
      [200, 200]
    )
    assert.equal((await ask('GET', '/now')).status, 200)
  })

  test('still says that it lives', async () => {
    await using opened = await open({ inFlightMax: 1 })
    const { ask, until, letGo } = opened
    const taken = ask('POST', '/later')
    await until(1)
    assert.equal((await ask('GET', '/health/live')).status, 200)
    assertProblem(await ask('GET', '/now'), 'unavailable')
    letGo()
    await taken
  })

  test('does not count those who have gone', async () => {
    await using opened = await open({ inFlightMax: 1 })
    const { server, ask, until, letGo } = opened
    const socket = createConnection(Number(new URL(server.url).port), '127.0.0.1')
    socket.write('POST /later HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(1)
    assertProblem(await ask('GET', '/now'), 'unavailable')
    socket.destroy()
    while ((await ask('GET', '/now')).status !== 200) await new Promise(setImmediate)
    letGo()
  })
})

describe('a server that closes', () => {
  test('answers what it has accepted, and takes nothing new', async () => {
    const { server, ask, until, letGo } = await open()
    const idle = createConnection(Number(new URL(server.url).port), '127.0.0.1')
    const idleClosed = new Promise(resolve => idle.once('close', resolve))
    const accepted = exchange(server.url, 'POST /later HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(1)
    const closed = server[Symbol.asyncDispose]()
    await idleClosed
    await assert.rejects(ask('GET', '/now'))
    letGo()
    const [reply] = await accepted
    assert.deepEqual([reply?.status, reply?.body], [200, { answer: 'later' }])
    assert.equal(reply?.headers.get('connection'), 'close')
    await closed
  })

  test('does not wait for ever for those who never end', async () => {
    const { server, until, letGo } = await open({ shutdownTimeoutMs: 50 })
    const cut = exchange(server.url, 'POST /later HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(1)
    await server[Symbol.asyncDispose]()
    assert.deepEqual(await cut, [])
    letGo()
  })
})

describe('a refusal', () => {
  test('of a token says what kind of token is wanted, and of an issuer that is away that it is not the token', async () => {
    await using opened = await open()
    const { ask } = opened
    const metadata = 'resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource"'
    // Who sent none, or something else, is not told that a token is wrong.
    for (const [authorization, error] of [
      ['', ''],
      ['Basic eDp5', ''],
      ['Bearer bad', 'error="invalid_token", '],
      ['bearer bad', 'error="invalid_token", ']
    ] as const) {
      const reply = await ask('GET', '/guarded', authorization ? { authorization } : {})
      assertProblem(reply, 'unauthenticated')
      assert.equal(reply.headers.get('www-authenticate'), `Bearer realm="product-service", ${error}${metadata}`)
    }
    const reply = await ask('GET', '/guarded', { authorization: 'Bearer good' })
    assertProblem(reply, 'insufficient-scope')
    const challenge = `Bearer realm="product-service", error="insufficient_scope", scope="orders:read", ${metadata}`
    assert.equal(reply.headers.get('www-authenticate'), challenge)
    assertProblem(await ask('GET', '/guarded', { authorization: 'Bearer away' }), 'unavailable')
  })

  test('that nobody meant says nothing of what is inside', async () => {
    await using opened = await open()
    assertProblem(await opened.ask('GET', '/broken'), 'internal')
  })
})
