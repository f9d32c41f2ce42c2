import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { allScopes } from '#contracts/scopes.ts'
import { forgedTokens } from '../../../test/support/forged-tokens.ts'
import { startIssuer, type TestIssuer } from '../../../test/support/issuer.ts'
import { quiet } from '../../../test/support/messaging.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import { exchange } from '../../../test/support/raw-http.ts'
import { openAuthenticator } from '../identity/auth.ts'
import { trustedIssuer } from '../identity/issuers.ts'
import { read } from './handlers.ts'
import { serve } from './http.ts'
import type { Edge } from './http-answers.ts'
import { addResourceMetadata } from './http-challenges.ts'
import type { HttpServer } from './http-server.ts'

const baseUrl = 'http://localhost:8080'
const METADATA = 'resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource"'
const api = defineApi({
  service: 'shop',
  title: 'Shop',
  version: '1.0.0',
  description: '',
  operations: {
    getSecret: {
      method: 'GET',
      path: '/v1/secret',
      tag: '',
      summary: '',
      scope: 'catalog:read',
      query: Type.Object({ id: Type.Optional(Type.String()) }, { additionalProperties: false }),
      reply: { status: 200, description: '', body: Type.Object({}) }
    }
  }
})

const [rs, es, ed] = (await Promise.all((['RS256', 'ES256', 'EdDSA'] as const).map(alg => startIssuer({ alg })))) as [
  TestIssuer,
  TestIssuer,
  TestIssuer
]
const issuers = [rs, es, ed].map(({ url }) => trustedIssuer({ url, audience: 'urn:product-service' }))
let server: HttpServer
before(async () => {
  server = await serve({
    api,
    edge: { baseUrl, handlers: { getSecret: read(async () => ({ secret: 'told' })) } } as unknown as Edge,
    authenticator: openAuthenticator({ issuers, log: quiet }),
    log: quiet,
    baseUrl,
    host: '127.0.0.1',
    port: 0,
    inFlightMax: 100,
    shutdownTimeoutMs: 5000,
    extend: app =>
      addResourceMetadata(
        app,
        baseUrl,
        issuers.map(({ url }) => url)
      )
  })
})
after(async () => {
  await server[Symbol.asyncDispose]()
  await Promise.all([rs, es, ed].map(issuer => issuer[Symbol.asyncDispose]()))
})

async function ask(headers: Record<string, string>, path = '/v1/secret') {
  const response = await fetch(server.url + path, { headers })
  return { status: response.status, headers: response.headers, body: (await response.json()) as never }
}

describe('whoever asks', () => {
  test('with a good token is told, with none is told where to get one, with a wrong one that it is wrong', async () => {
    assert.deepEqual((await ask({ authorization: `Bearer ${rs.token()}` })).body, { secret: 'told' })
    for (const [headers, error] of [
      [{}, ''],
      [{ authorization: 'Basic eDp5' }, ''],
      [{ cookie: `access_token=${rs.token()}` }, ''],
      [{ authorization: `Bearer ${rs.token({ exp: 1 })}` }, 'error="invalid_token", ']
    ] as const) {
      const reply = await ask(headers)
      assertProblem(reply, 'unauthenticated')
      assert.equal(reply.headers.get('www-authenticate'), `Bearer realm="product-service", ${error}${METADATA}`)
    }
  })

  test('with a token that allows something else is told what it needs', async () => {
    const reply = await ask({ authorization: `Bearer ${rs.token({ scope: 'orders:read catalog:readx' })}` })
    assertProblem(reply, 'insufficient-scope')
    const challenge = `Bearer realm="product-service", error="insufficient_scope", scope="catalog:read", ${METADATA}`
    assert.equal(reply.headers.get('www-authenticate'), challenge)
  })

  test('with a token in the address, where logs keep it, is refused, beside a good one too', async () => {
    const token = rs.token()
    assertProblem(await ask({}, `/v1/secret?access_token=${token}`), 'unauthenticated')
    assertProblem(await ask({ authorization: `Bearer ${token}` }, `/v1/secret?access_token=${token}`), 'invalid-request')
  })

  test('with two Authorization headers is refused, whatever they are and wherever they stand', async () => {
    const token = rs.token()
    const lines = [`Authorization: Bearer ${token}`, 'authorization: Bearer other', 'AUTHORIZATION: Basic eDp5']
    for (const [first, second] of [
      [0, 1],
      [1, 0],
      [0, 0],
      [2, 0]
    ] as const) {
      const [reply] = await exchange(
        server.url,
        `GET /v1/secret HTTP/1.1\r\nHost: x\r\n${lines[first]}\r\nAccept: */*\r\n${lines[second]}\r\nConnection: close\r\n\r\n`
      )
      assert.ok(reply)
      assertProblem(reply, 'malformed-http')
    }
  })

  test('with a forged token is answered 401 over the wire as well, with one and the same header', async () => {
    const forged = forgedTokens({ rs, es, ed, nowSeconds: Math.floor(Date.now() / 1000) })
    // What cannot stand in a header at all never gets here.
    const sendable = forged.filter(([, token]) => /^[\x21-\x7e]+$/.test(token) && token.length < 8000)
    assert.ok(sendable.length > 100)
    for (const [name, token] of sendable.filter((_, index) => index % 4 === 0)) {
      const reply = await ask({ authorization: `Bearer ${token}` })
      assert.equal(reply.status, 401, name)
      assert.equal(
        reply.headers.get('www-authenticate'),
        `Bearer realm="product-service", error="invalid_token", ${METADATA}`,
        name
      )
    }
  })

  test('is told by the metadata of the resource who gives tokens out, to anybody', async () => {
    const { status, body } = await ask({}, '/.well-known/oauth-protected-resource')
    assert.equal(status, 200)
    assert.deepEqual(body, {
      resource: baseUrl,
      resource_name: 'Product Service',
      authorization_servers: [rs.url, es.url, ed.url],
      scopes_supported: allScopes,
      bearer_methods_supported: ['header'],
      resource_documentation: `${baseUrl}/docs`
    })
  })
})
