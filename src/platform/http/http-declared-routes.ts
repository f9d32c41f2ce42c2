/** Default deny at boot: a server answers the operations of its contract, each behind its scope, and the few open paths listed here. */
import type { FastifyInstance } from 'fastify'
import type { Api } from '#contracts/define.ts'

/** What anybody may ask of every service, beside its operations; what OAuth defines stands below /oauth. */
const openPaths = [
  '/health/live',
  '/health/ready',
  '/metrics',
  '/asyncapi.json',
  '/openapi.json',
  '/problems/:code',
  '/schemas/events/:type/:version',
  '/.well-known/jwks.json',
  '/.well-known/oauth-protected-resource',
  // The pages of the API's documentation, and their assets.
  /^\/docs(\/|$)/,
  /^\/oauth\/(token|jwks|\.well-known\/[a-z-]+)$/
]

/** Has every later route refused that is neither: adding it throws, so that the server never listens. */
export function refuseUndeclared(app: FastifyInstance, api: Api): void {
  app.addHook('onRoute', ({ method, url, config }) => {
    const operation = api.operations[config?.operationId ?? '']
    if (
      operation ? operation.scope !== undefined : openPaths.some(open => (typeof open === 'string' ? open === url : open.test(url)))
    )
      return
    throw new Error(`${method} ${url} is no operation of the ${api.service} contract with a scope, nor listed as open`)
  })
}
