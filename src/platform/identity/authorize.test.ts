import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Problem } from '#contracts/problems.ts'
import { scopesOfRoles } from '#contracts/roles.ts'
import type { Actor } from './actor.ts'
import { openAuthorizer } from './authorize.ts'
import type { KnownUsers, Standing } from './known-users.ts'

const standing = (status: string, ...roles: string[]): Standing => ({ status, roles, scopes: scopesOfRoles(roles) })
const client: Actor = { subject: 'shop', clientId: 'shop', issuer: 'i', scopes: new Set(['catalog:read', 'prices:write']) }
const user: Actor = { ...client, subject: 'u-1', userId: 'u-1' }

function authorizerOf(users: Record<string, Standing>) {
  const known: KnownUsers = { get: userId => users[userId] ?? standing('unknown') }
  return openAuthorizer(known)
}

const codeOf = (work: () => unknown) => {
  try {
    work()
    return 'allowed'
  } catch (error) {
    return (error as Problem).code
  }
}

test('a client that acts for itself is told at once, as it is, whatever is known of users', () => {
  const { authorize } = openAuthorizer({ get: () => assert.fail('nobody is asked') })
  assert.equal(authorize(client, 'catalog:read'), client)
  assert.equal(
    codeOf(() => authorize(client, 'users:read')),
    'insufficient-scope'
  )
})

test('scopes are compared whole and by their case', () => {
  const { authorize } = openAuthorizer()
  for (const scope of [
    'catalog:readx',
    'Catalog:read',
    'catalog',
    'catalog:read ',
    'catalog:*',
    '*',
    'catalog:read,prices:write'
  ]) {
    assert.equal(
      codeOf(() => authorize({ ...client, scopes: new Set([scope]) }, 'catalog:read')),
      'insufficient-scope',
      scope
    )
  }
})

test('who acts for a user may do what both the token and the roles of the user allow, and no more', async () => {
  const { authorize } = authorizerOf({ 'u-1': standing('active', 'pricing', 'inventory', 'no role of ours') })
  const allowed = (await authorize(user, 'prices:write')) as Actor
  assert.deepEqual(allowed.scopes, new Set(['catalog:read', 'prices:write']))
  assert.equal(await authorize(user, 'catalog:read'), allowed, 'made once while nothing changes')
  assert.deepEqual([allowed.subject, allowed.userId, allowed.clientId], ['u-1', 'u-1', 'shop'])
  assert.equal(
    codeOf(() => authorize(user, 'inventory:write')),
    'insufficient-scope',
    'the token does not say it'
  )
  const narrow = authorizerOf({ 'u-1': standing('active', 'viewer') })
  assert.equal(
    codeOf(() => narrow.authorize(user, 'prices:write')),
    'insufficient-role'
  )
  const none = authorizerOf({ 'u-1': standing('active', 'Admin', 'admin ', 'constructor', '__proto__') })
  assert.equal(
    codeOf(() => none.authorize(user, 'catalog:read')),
    'insufficient-role'
  )
})

test('a user who is anything but active may do nothing', () => {
  for (const status of ['suspended', 'unknown', 'Active', 'erased', '']) {
    const { authorize } = authorizerOf({ 'u-1': standing(status, 'admin') })
    assert.equal(
      codeOf(() => authorize(user, 'catalog:read')),
      'user-not-active',
      status
    )
  }
})

test('what goes on for long learns that the user lost a right, or was suspended, or that the credentials ended', async () => {
  const users = { 'u-1': standing('active', 'pricing') }
  const { authorize } = authorizerOf(users)
  let good = true
  const { stands } = (await authorize({ ...user, stands: async () => good }, 'prices:write')) as Actor
  assert.equal(await stands!(), true)
  users['u-1'] = standing('active', 'pricing', 'operator')
  assert.equal(await stands!(), true, 'more rights end nothing')
  users['u-1'] = standing('active', 'viewer')
  assert.equal(await stands!(), false)
  users['u-1'] = standing('suspended', 'pricing')
  assert.equal(await stands!(), false)
  users['u-1'] = standing('active', 'pricing')
  good = false
  assert.equal(await stands!(), false)
})
