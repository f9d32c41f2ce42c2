/** What it takes to know who asks and what they may do, of somebody who has asked before: without the request around it, which is noise. */
import { newId } from '#platform/id.ts'
import type { Actor, Authenticator } from '#platform/identity/actor.ts'
import { newApiKey } from '#platform/identity/api-key.ts'
import { openApiKeyCheck } from '#platform/identity/api-key-check.ts'
import { openAuthenticator } from '#platform/identity/auth.ts'
import { type Authorizer, openAuthorizer } from '#platform/identity/authorize.ts'
import { openCredentials } from '#platform/identity/credentials.ts'
import { trustedIssuer } from '#platform/identity/issuers.ts'
import { openUsersOf } from '#platform/identity/known-users.ts'
import { openLog } from '#platform/log.ts'
import { startIssuer } from '../../test/support/issuer.ts'
import type { Group } from '../group.ts'
import type { Case, Sample } from '../measure.ts'

const TOKEN = 'an access token (RS256, as Keycloak makes them)'
const OF_USER = 'the same, bound by the User Service'
const API_KEY = 'an API key'

const REQUESTS = 100_000
const audience = 'urn:product-service'
const environment = 'live'

export const identity: Group = {
  about: 'who asks and what they may do, asked before; CPU in microseconds',
  async open({ stack }) {
    const issuer = stack.use(await startIssuer({ alg: 'RS256', audience }))
    const log = openLog({ LOG_LEVEL: 'error', LOG_FORMAT: 'json' })
    const tokens = openAuthenticator({ issuers: [trustedIssuer({ url: issuer.url, audience, preset: 'keycloak' })], log })
    const standing = { active: true, scopes: ['catalog:read'], networks: [], expiresAt: null }
    const apiKeys = openApiKeyCheck({ environment, lookUp: async () => standing })
    const authenticator = openCredentials({ tokens, apiKeys })
    const trusting = openAuthorizer()
    const users = async (_: unknown, userIds: readonly string[]) =>
      userIds.map(userId => ({ userId, roles: ['viewer'], status: 'active', version: 1 }))
    const bound = openAuthorizer(openUsersOf({ users }, { askUser: async () => undefined } as never))
    const bearer = { authorization: `Bearer ${issuer.keycloakToken()}` }
    const cases = [
      identityCase(TOKEN, bearer, authenticator, trusting),
      identityCase(OF_USER, bearer, authenticator, bound),
      identityCase(API_KEY, { 'x-api-key': newApiKey(newId(), environment).key }, authenticator, trusting)
    ]
    const ms = (name: string) => (round: (name: string) => Sample) => round(name)['CPU µs']! / 1000
    return { cases, figures: { tokenCpu: ms(TOKEN), userCpu: ms(OF_USER), apiKeyCpu: ms(API_KEY) } }
  }
}

function identityCase(name: string, headers: Record<string, string>, authenticator: Authenticator, authorizer: Authorizer): Case {
  const known = (actor: Actor) => authorizer.authorize(actor, 'catalog:read')
  async function admit(requests: number): Promise<void> {
    for (let request = 0; request < requests; request++) {
      const actor = authenticator.authenticate(headers, '127.0.0.1')
      const allowed = actor instanceof Promise ? await actor.then(known) : known(actor)
      if (allowed instanceof Promise) await allowed
    }
  }
  return {
    name,
    warmUp: () => admit(REQUESTS / 10),
    async shoot() {
      const started = performance.now()
      const before = process.cpuUsage()
      await admit(REQUESTS)
      const { user, system } = process.cpuUsage(before)
      return { 'per s': REQUESTS / ((performance.now() - started) / 1000), 'CPU µs': (user + system) / REQUESTS }
    }
  }
}
