/** What a refusal says of the credentials that are wanted (RFC 6750 §3), and where it is written who gives them out (RFC 9728). */
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Problem } from '#contracts/problems.ts'
import { allScopes } from '#contracts/scopes.ts'

const REALM = 'product-service'
const METADATA_PATH = '/.well-known/oauth-protected-resource'

/** The header WWW-Authenticate of a refusal, or none. Who sent no token is told of none that is wrong. */
export function challengeOf(problem: Problem, headers: IncomingHttpHeaders, baseUrl: string): Record<string, string> {
  const { status, extensions } = problem
  if (status !== 401 && problem.code !== 'insufficient-scope') return {}
  const scope = typeof extensions.scope === 'string' ? { scope: extensions.scope } : {}
  const error =
    status === 401
      ? /^bearer\b/i.test(headers.authorization ?? '')
        ? { error: 'invalid_token' }
        : {}
      : { error: 'insufficient_scope', ...scope }
  const told = { realm: REALM, ...error, resource_metadata: `${baseUrl}${METADATA_PATH}` }
  return {
    'www-authenticate': `Bearer ${Object.entries(told)
      .map(([name, value]) => `${name}="${value}"`)
      .join(', ')}`
  }
}

/** Serves the metadata of what tokens are for: whose are believed, how they are sent, and what they can allow. Anybody may ask. */
export function addResourceMetadata(app: FastifyInstance, baseUrl: string, issuers: readonly string[]): void {
  const text = JSON.stringify({
    resource: baseUrl,
    resource_name: 'Product Service',
    authorization_servers: issuers,
    scopes_supported: allScopes,
    bearer_methods_supported: ['header'],
    resource_documentation: `${baseUrl}/docs`
  })
  app.get('/.well-known/oauth-protected-resource', async (_request, reply) =>
    reply.type('application/json').header('cache-control', 'public, max-age=3600').send(text)
  )
}
