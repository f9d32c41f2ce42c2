/** The program with somebody's own identity provider: three variables for Keycloak, a key that changes under load, and tokens that say nothing themselves. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startIssuer, type TestIssuer } from '../support/issuer.ts'
import { eventually, openWorld, type Running, type World } from '../support/world.ts'

const audience = 'product-service'
let world: World
let keycloak: TestIssuer
let partner: TestIssuer
let shop: Running

before(async () => {
  world = await openWorld()
  keycloak = await startIssuer({ audience })
  partner = await startIssuer({ audience, path: '/partner', alg: 'ES256' })
  const { url, introspection } = partner
  shop = await world.start(['product'], {
    // What docs/how-to/identity-provider.md says of Keycloak.
    ISSUER_URL: keycloak.url,
    AUDIENCE: audience,
    ISSUER_PRESET: 'keycloak',
    ISSUERS: JSON.stringify([{ url, introspection }])
  })
})
after(async () => {
  await world[Symbol.asyncDispose]()
  await Promise.all([keycloak, partner].map(issuer => issuer[Symbol.asyncDispose]()))
})

async function ask(token: string, method = 'GET', body?: object): Promise<{ status: number; code?: string; detail?: string }> {
  const response = await fetch(`${shop.url}/v1/categories`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {})
  })
  const { code, detail } = (await response.json()) as { code?: string; detail?: string }
  return { status: response.status, ...(code ? { code, detail: detail ?? '' } : {}) }
}
const statusOf = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).status

const withRoles = (...roles: string[]) => keycloak.keycloakToken({ realm_access: { roles } })

describe('three variables', () => {
  test('let in who comes with a token of Keycloak’s, to what their roles allow', async () => {
    assert.equal(await statusOf(withRoles('viewer')), 200)
    assert.equal((await ask(withRoles('viewer'), 'POST', { name: 'Lamps' })).code, 'insufficient-scope')
    assert.equal(await statusOf(withRoles('catalog-editor'), 'POST', { name: 'Lamps' }), 201)
    assert.equal((await ask(withRoles('offline_access', 'uma_authorization'))).code, 'insufficient-scope')
  })

  test('keep out ID tokens, tokens for others, and the development issuer’s', async () => {
    const id = keycloak.keycloakToken({ typ: 'ID', at_hash: 'x' })
    const forAccount = await ask(keycloak.keycloakToken({ aud: 'account' }))
    assert.deepEqual([await statusOf(id), forAccount.status, await statusOf(partner.keycloakToken())], [401, 401, 401])
    assert.match(forAccount.detail!, /\(aud\)/)
  })
})

test('while an issuer changes its key, nobody with a good token is refused', { timeout: 60_000 }, async () => {
  let changing = true
  const statuses: number[] = []
  let token = withRoles('viewer')
  const caller = async () => {
    while (changing) statuses.push(await statusOf(token))
  }
  const calling = Promise.all(Array.from({ length: 4 }, caller))
  const more = (count: number) => {
    const enough = statuses.length + count
    return eventually(
      async () => statuses.length,
      answered => answered >= enough
    )
  }
  await more(50)
  // A key that is used sooner than a second after the last look at the keys is not looked for.
  const since = performance.now()
  await eventually(
    async () => performance.now() - since,
    ms => ms > 1100
  )
  const before = keycloak.key
  keycloak.rotate()
  await more(50)
  token = withRoles('viewer')
  await more(100)
  keycloak.published = keycloak.published.filter(({ kid }) => kid !== before.kid)
  await more(50)
  changing = false
  await calling
  assert.deepEqual([...new Set(statuses)], [200])
})

describe('an issuer with opaque tokens', () => {
  test('is asked what each is worth, and shown among the integrations', async () => {
    assert.equal(await statusOf(partner.opaqueToken()), 200)
    assert.equal((await ask(partner.opaqueToken(), 'POST', { name: 'Rugs' })).code, 'insufficient-scope')
    assert.equal(await statusOf('never-given-out'), 401)
    const authorization = `Bearer ${withRoles('admin')}`
    const stateOfIssuer = async () => {
      const response = await fetch(`${shop.url}/v1/integrations`, { headers: { authorization } })
      const { data } = (await response.json()) as { data: { name: string; state: string }[] }
      return data.find(({ name }) => name === 'token-introspection')?.state
    }
    await eventually(stateOfIssuer, state => state === 'up')
  })

  test('and is away: 503 to tokens that nobody knows yet, and all goes on for the others', async () => {
    const known = partner.opaqueToken()
    assert.equal(await statusOf(known), 200)
    partner.introspectionAnswer = response => void response.destroy()
    assert.deepEqual(
      [await statusOf(partner.opaqueToken()), await statusOf(known), await statusOf(withRoles('viewer'))],
      [503, 200, 200]
    )
    partner.introspectionAnswer = undefined
    await eventually(
      () => statusOf(partner.opaqueToken()),
      status => status === 200
    )
  })
})
