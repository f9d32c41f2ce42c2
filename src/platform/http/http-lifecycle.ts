/**
 * What callers are told of operations that are deprecated, on every answer: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and what takes its
 * place. Once an operation has ended it is answered 410, whoever asks. Calls are counted, and who makes them is named in the log once.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Api, Deprecation } from '#contracts/define.ts'
import { beginOf, lifecycleFaults } from '#contracts/lifecycle.ts'
import { Problem } from '#contracts/problems.ts'
import type { Log } from '../log.ts'
import { deprecatedRequests } from '../telemetry.ts'

export type Ending = { api: Api; baseUrl: string; log: Log }

/** Follows the routes that are added from here on. Throws for deprecations that tell callers nothing they can act on. */
export function followDeprecations(app: FastifyInstance, ending: Ending): void {
  const faults = lifecycleFaults(ending.api)
  if (faults.length > 0) throw new Error(faults.join('\n'))
  const nameOnce = naming(ending)
  app.addHook('onRoute', route => {
    const { operationId } = route.config ?? {}
    const { deprecated } = (operationId && ending.api.operations[operationId]) || {}
    if (!operationId || !deprecated) return
    const tell = telling(ending, operationId, deprecated)
    route.onRequest = [tell, ...[route.onRequest ?? []].flat()]
    route.preHandler = [...[route.preHandler ?? []].flat(), nameOnce]
  })
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (refusal?: Error) => void) => void

function telling({ api, baseUrl }: Ending, operation: string, { since, sunset, successor }: Deprecation): Hook {
  const endsAtMs = sunset === undefined ? Number.POSITIVE_INFINITY : beginOf(sunset)!
  const headers: Record<string, string> = {
    deprecation: `@${beginOf(since)! / 1000}`,
    ...(sunset === undefined ? {} : { sunset: new Date(endsAtMs).toUTCString() })
  }
  const words = [`rel="deprecation"`, ...(sunset === undefined ? [] : [`rel="sunset"`])]
  const links = words.map(rel => `<${baseUrl}/docs>; ${rel}; type="text/html"`)
  const next = successor === undefined ? undefined : api.operations[successor]!.path

  return (request, reply, done) => {
    const successors = next === undefined ? [] : [`<${baseUrl}${pathOf(next, request.params)}>; rel="successor-version"`]
    reply.headers({ ...headers, link: [...links, ...successors].join(', ') })
    const hasEnded = Date.now() >= endsAtMs
    deprecatedRequests.inc({ service: api.service, operation, outcome: hasEnded ? 'ended' : 'answered' })
    done(hasEnded ? new Problem('operation-ended', `It ended on ${sunset}`) : undefined)
  }
}

/** The same thing at the successor: a path says what it is about with the parameters of the request. */
function pathOf(template: string, params: unknown): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent((params as Record<string, string>)[name] ?? ''))
}

/** Clients that are named, over all operations of a process: more are in the log by the lines of their requests only. */
const NAMED_MAX = 1000

/** Who is called for is known by its line in the log: a figure by client would have no bound. */
function naming({ api, log }: Ending): Hook {
  const named = new Set<string>()
  return (request, _reply, done) => {
    const operation = request.routeOptions.config.operationId!
    const client = request.actor?.clientId
    const key = `${operation} ${client}`
    if (client !== undefined && named.size < NAMED_MAX && !named.has(key)) {
      named.add(key)
      log.warn(
        { unit: 'http', operation, client, ...api.operations[operation]!.deprecated },
        'a client calls a deprecated operation'
      )
    }
    done()
  }
}
