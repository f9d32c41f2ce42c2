import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { signed, startIssuer } from '../../../test/support/issuer.ts'
import { quiet } from '../../../test/support/messaging.ts'
import { readConfig } from '../config.ts'
import { openAuthenticator } from './auth.ts'
import type { PresetName } from './issuer-presets.ts'
import { trustedIssuer, trustedIssuers } from './issuers.ts'

const audience = 'urn:product-service'
const issuer = await startIssuer()
after(() => issuer[Symbol.asyncDispose]())
const development = { url: 'unused', keysUrl: () => 'unused' }

type Asked = (token: string) => Promise<Awaited<ReturnType<ReturnType<typeof openAuthenticator>['authenticate']>>>

function trusting(written: Partial<Parameters<typeof trustedIssuer>[0]>): Asked {
  const by = openAuthenticator({ issuers: [trustedIssuer({ url: issuer.url, audience, ...written })], log: quiet })
  return async token => by.authenticate({ authorization: `Bearer ${token}` })
}

const seconds = () => Math.floor(Date.now() / 1000)
const common = () => ({ iss: issuer.url, aud: audience, sub: 'u-1', iat: seconds(), exp: seconds() + 300 })
const isRefused = (error: unknown) => error instanceof Problem && error.status === 401

describe('Keycloak after setting three variables', () => {
  const config = readConfig({ ISSUER_URL: issuer.url, AUDIENCE: audience, ISSUER_PRESET: 'keycloak' })
  const by = openAuthenticator({ issuers: trustedIssuers(config, development), log: quiet })
  const ask: Asked = async token => by.authenticate({ authorization: `Bearer ${token}` })

  test('a token as it makes them is taken: RS256, typ JWT, roles of the realm and at our client', async () => {
    const roles = { realm_access: { roles: ['viewer'] }, resource_access: { [audience]: { roles: ['pricing'] } } }
    const actor = await ask(issuer.keycloakToken(roles))
    assert.deepEqual([actor.subject, actor.clientId, actor.userId], ['u-1', 'storefront', 'u-1'])
    assert.deepEqual(actor.roles, ['viewer', 'pricing'])
    for (const scope of ['catalog:read', 'inventory:read', 'prices:write']) assert.ok(actor.scopes.has(scope), scope)
    assert.ok(!actor.scopes.has('catalog:write'))
  })

  test('a role at another client, whoever named it, allows nothing here', async () => {
    const actor = await ask(
      issuer.keycloakToken({ realm_access: undefined, resource_access: { 'realm-management': { roles: ['admin'] } } })
    )
    assert.deepEqual([actor.roles, actor.scopes.has('catalog:write')], [undefined, false])
  })

  test('a service account acts for itself, and a user with such a name does not', async () => {
    const ofAccount = { azp: 'importer', client_id: 'importer', preferred_username: 'service-account-importer', sub: 'f3a1' }
    const account = await ask(issuer.keycloakToken(ofAccount))
    assert.deepEqual([account.subject, account.clientId, account.userId], ['f3a1', 'importer', undefined])
    assert.equal((await ask(issuer.keycloakToken({ preferred_username: 'service-account-storefront' }))).userId, 'u-1')
  })

  test('its ID tokens, its refresh tokens and what is for other clients are refused', async () => {
    const others = [{ typ: 'ID' }, { typ: 'Refresh' }, { typ: undefined }, { at_hash: 'h' }, { aud: 'account' }, { azp: undefined }]
    for (const claims of others) await assert.rejects(ask(issuer.keycloakToken(claims)), isRefused, JSON.stringify(claims))
  })
})

describe('tokens as other providers make them', () => {
  const ofClient = { clientId: 'c-1', userId: undefined }
  const ofUser = { clientId: 'c-1', userId: 'u-1' }
  const seen: {
    preset: PresetName
    name: string
    header?: object
    claims: object
    who: object
    scopes?: string[]
    aud?: string
  }[] = [
    {
      preset: 'auth0',
      name: 'a user',
      claims: { azp: 'c-1', scope: 'openid catalog:read' },
      who: ofUser,
      scopes: ['openid', 'catalog:read']
    },
    { preset: 'auth0', name: 'a client', claims: { sub: 'c-1@clients', azp: 'c-1', gty: 'client-credentials' }, who: ofClient },
    {
      preset: 'entra',
      name: 'a user',
      claims: { ver: '2.0', azp: 'c-1', oid: 'o-1', scp: 'catalog:read' },
      who: { ...ofUser, userId: 'o-1' }
    },
    {
      preset: 'entra',
      name: 'an app',
      claims: { ver: '2.0', azp: 'c-1', sub: 'o-1', oid: 'o-1', roles: ['viewer'] },
      who: ofClient
    },
    {
      preset: 'okta',
      name: 'a user',
      header: { typ: undefined },
      claims: { cid: 'c-1', uid: '00u1', scp: ['catalog:read'] },
      who: { ...ofUser, userId: '00u1' }
    },
    {
      preset: 'okta',
      name: 'a client',
      header: { typ: undefined },
      claims: { cid: 'c-1', sub: 'c-1', scp: ['catalog:read'] },
      who: ofClient
    },
    {
      preset: 'cognito',
      name: 'a user',
      header: { typ: undefined },
      aud: 'c-1',
      claims: { aud: undefined, token_use: 'access', client_id: 'c-1', 'cognito:groups': ['viewer'] },
      who: ofUser
    },
    {
      preset: 'cognito',
      name: 'a client',
      header: { typ: undefined },
      aud: 'c-1',
      claims: { aud: undefined, token_use: 'access', client_id: 'c-1', sub: 'c-1' },
      who: ofClient
    }
  ]
  for (const { preset, name, header = {}, claims, who, scopes, aud } of seen) {
    test(`${preset}: ${name} is known for what they are`, async () => {
      const ask = trusting({ preset, ...(aud ? { audience: aud } : {}) })
      const actor = await ask(signed(issuer.key, { typ: 'JWT', ...header }, { ...common(), ...claims }))
      assert.deepEqual({ clientId: actor.clientId, userId: actor.userId }, who)
      if (scopes) assert.deepEqual(actor.scopes, new Set(scopes))
    })

    test(`${preset}: what would be an ID token of ${name} is refused`, async () => {
      const ask = trusting({ preset, ...(aud ? { audience: aud } : {}) })
      const token = signed(issuer.key, { typ: 'JWT', ...header }, { ...common(), ...claims, nonce: 'n' })
      await assert.rejects(ask(token), isRefused)
    })
  }

  test('a provider like no other is described by where its claims are', async () => {
    const ask = trusting({
      preset: 'auth0',
      algorithms: ['RS256'],
      claims: {
        roles: ['https://shop.example/roles'],
        scopes: ['permissions', 'access.granted'],
        clientId: 'app',
        scopePrefix: 'shop/'
      }
    })
    const claims = {
      app: 'c-1',
      'https://shop.example/roles': ['pricing'],
      permissions: ['shop/orders:read', 'admin'],
      access: { granted: 'shop/users:read' }
    }
    const actor = await ask(signed(issuer.key, { typ: 'JWT' }, { ...common(), ...claims }))
    assert.deepEqual([actor.clientId, actor.roles], ['c-1', ['pricing']])
    assert.deepEqual(actor.scopes, new Set(['orders:read', 'users:read', 'catalog:read', 'prices:write']))
  })
})
