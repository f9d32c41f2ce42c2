import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { allScopes } from '#contracts/scopes.ts'
import { readConfig } from '#platform/config.ts'
import { USER_ID_TOKEN_TYPE } from '#platform/http/http-issuer.ts'
import type { Authenticator } from '#platform/identity/actor.ts'
import { openAuthenticator } from '#platform/identity/auth.ts'
import { trustedIssuer } from '#platform/identity/issuers.ts'
import { openLog } from '#platform/log.ts'
import { quiet } from '../../../test/support/messaging.ts'
import { type RunningService, runService } from '../../../test/support/service.ts'
import { developmentClients } from './development-clients.ts'
import { developmentIssuer } from './development-issuer.ts'
import { userService } from './service.ts'

const issuer = 'http://localhost:8080/oauth'

describe('the development issuer', () => {
  let service: RunningService
  let authenticator: Authenticator
  before(async () => {
    service = await runService(userService)
    const trusted = trustedIssuer({ url: issuer, audience: 'urn:product-service', jwksUrl: `${service.url}/oauth/jwks` })
    authenticator = openAuthenticator({ issuers: [trusted], log: quiet })
  })
  after(() => service[Symbol.asyncDispose]())

  const basic = (client: string, secret: string) => ({ authorization: `Basic ${btoa(`${client}:${secret}`)}` })
  const form = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    service.request('POST', '/oauth/token', new URLSearchParams(fields).toString(), {
      'content-type': 'application/x-www-form-urlencoded',
      ...headers
    })
  const authenticate = async (token: string) => {
    const { expiresAtMs, ...who } = await authenticator.authenticate({ authorization: `Bearer ${token}` })
    assert.ok(expiresAtMs! > Date.now())
    return who
  }

  test('gives each development client a token with all of its scopes that the services accept', async () => {
    for (const { clientId, secret, scopes } of developmentClients) {
      const { status, headers, body } = await form({ grant_type: 'client_credentials' }, basic(clientId, secret))
      assert.equal(status, 200)
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.deepEqual([body.token_type, body.expires_in, body.scope], ['Bearer', 3600, scopes.join(' ')])
      assert.deepEqual(await authenticate(body.access_token), { subject: clientId, clientId, issuer, scopes: new Set(scopes) })
    }
  })

  test('signs tokens as RFC 9068 wants them', async () => {
    const { body } = await form(
      { grant_type: 'client_credentials', client_id: 'admin', client_secret: 'admin-secret' },
      { authorization: '' }
    )
    const [header, payload] = body.access_token
      .split('.')
      .slice(0, 2)
      .map((part: string) => JSON.parse(atob(part)))
    assert.deepEqual([header.typ, header.alg], ['at+jwt', 'EdDSA'])
    const { iss, aud, sub, client_id, scope, exp, iat, jti } = payload
    assert.deepEqual([iss, aud, sub, client_id], [issuer, 'urn:product-service', 'admin', 'admin'])
    assert.equal(scope, allScopes.join(' '))
    assert.equal(exp - iat, 3600)
    assert.ok(jti)
  })

  test('narrows a token to the scopes that were asked for, and refuses those of others', async () => {
    const ask = (scope: string) => form({ grant_type: 'client_credentials', scope }, basic('partner', 'partner-secret'))
    const { body } = await ask('inventory:read')
    assert.deepEqual((await authenticate(body.access_token)).scopes, new Set(['inventory:read']))
    const refused = await ask('inventory:read catalog:write')
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_scope'])
  })

  test('exchanges the id of an active user for a token in the name of the user, made by the client', async () => {
    const exchange = (userId: string, more: Record<string, string> = {}) =>
      form(
        {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: userId,
          subject_token_type: USER_ID_TOKEN_TYPE,
          ...more
        },
        basic('storefront', 'storefront-secret')
      )
    const { status, body } = await exchange('u-1')
    assert.equal(status, 200)
    assert.equal(body.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token')
    assert.deepEqual(await authenticate(body.access_token), {
      subject: 'u-1',
      clientId: 'storefront',
      issuer,
      userId: 'u-1',
      act: 'storefront',
      scopes: new Set(['catalog:read'])
    })
    assert.deepEqual(JSON.parse(atob(body.access_token.split('.')[1])).act, { sub: 'storefront' })

    await service.request('PATCH', '/v1/users/u-3', { status: 'suspended' })
    const refusals = await Promise.all([
      exchange('u-404'),
      exchange('u-1\u0000'),
      exchange('u-3'),
      exchange('u-1', { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }),
      exchange('u-1', { scope: 'catalog:write' })
    ])
    assert.deepEqual(
      refusals.map(refusal => [refusal.status, refusal.body.error]),
      [
        [400, 'invalid_request'],
        [400, 'invalid_request'],
        [400, 'invalid_request'],
        [400, 'invalid_request'],
        [400, 'invalid_scope']
      ]
    )
  })

  test('refuses unknown clients, wrong secrets and other grants', async () => {
    const answers = await Promise.all([
      form({ grant_type: 'client_credentials' }, basic('admin', 'wrong')),
      form({ grant_type: 'client_credentials' }, basic('nobody', 'admin-secret')),
      form({ grant_type: 'password' }, basic('admin', 'admin-secret')),
      service.request('POST', '/oauth/token', { grant_type: 'client_credentials' }, basic('admin', 'admin-secret')),
      service.request('POST', '/oauth/token', undefined, basic('admin', 'admin-secret'))
    ])
    assert.deepEqual(
      answers.map(answer => [answer.status, answer.body.error]),
      [
        [401, 'invalid_client'],
        [401, 'invalid_client'],
        [400, 'unsupported_grant_type'],
        [400, 'invalid_request'],
        [400, 'invalid_request']
      ]
    )
  })

  test('describes itself with the addresses that clients reach it at', async () => {
    const { status, headers, body } = await service.request('GET', '/oauth/.well-known/openid-configuration')
    assert.equal(status, 200)
    assert.ok(headers.get('x-request-id'))
    assert.deepEqual([body.issuer, body.token_endpoint, body.jwks_uri], [issuer, `${issuer}/token`, `${issuer}/jwks`])
    assert.deepEqual(body.grant_types_supported, ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'])
    assert.equal(body.authorization_endpoint, undefined)
    const { body: keys } = await service.request('GET', '/oauth/jwks')
    assert.deepEqual(
      keys.keys.map((key: object) => Object.keys(key).sort()),
      [['alg', 'crv', 'kid', 'kty', 'use', 'x']]
    )
  })

  test('has no other paths', async () => {
    for (const path of ['/oauth/auth', '/oauth/me', '/oauth', '/oauth/token/revocation']) {
      const { status, body } = await service.request('GET', path)
      assert.deepEqual([status, body.code], [404, 'not-found'])
    }
  })
})

test('processes that start together share one signing key', async () => {
  await using service = await runService(userService)
  const { database } = service
  const config = readConfig({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })
  const context = { database, config, baseUrl: 'http://localhost:8080', log: openLog(config) }
  for (let round = 0; round < 10; round++) {
    await database.query('delete from issuer_keys')
    await Promise.all([1, 2, 3, 4].map(() => developmentIssuer(context)))
    assert.equal((await database.query('select from issuer_keys')).length, 1)
  }
})

test('production has no development issuer', async () => {
  await using service = await runService(userService, {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://unused/shop?sslmode=verify-full',
    ISSUER_URL: 'https://id.example.com',
    SIGNING_KEY_SECRET: 'a secret of thirty-two characters or more',
    USER_CHECKS: 'off'
  })
  assert.equal((await service.request('POST', '/oauth/token')).status, 404)
  assert.equal((await service.request('GET', '/oauth/jwks')).status, 404)
  assert.deepEqual(await service.database.query('select from issuer_keys'), [])
})
