/**
 * Who is let through the gateway, and how often: whoever is authenticated by a quota of their own, strangers by one of their address. What
 * passes is verified once more by the service, which takes no word of ours for it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '#contracts/problems.ts'
import type { Actor, Authenticator } from '../identity/actor.ts'
import { API_KEY_HEADER } from '../identity/api-key-check.ts'
import { placeOf } from '../identity/networks.ts'
import { clientAddress } from '../identity/trusted-proxies.ts'
import { limitedRequests } from '../telemetry.ts'
import { type Allowance, openRateLimit, type RateLimit, spread } from './rate-limit.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Paths that anybody may ask for. */
    open?: boolean
  }
}

export type Admission = {
  authenticator: Authenticator
  /** Whether an operation of the API is for anybody. */
  isOpen(method: string, path: string): boolean
  /** How many a minute; 0 is without limit. */
  quotas: Readonly<Record<Policy, number>>
  /** Places in flight of one client, so that nobody takes those of all others. */
  inFlightClientMax: number
}

type Policy = 'client' | 'address' | 'failures'

const words: Record<Policy, string> = {
  client: 'This client has asked as often as it may for now',
  address: 'This address has asked as often as it may for now without credentials',
  failures: 'Too many wrong credentials came from this address'
}
/** Whoever asks whether we live is answered, as often as they ask. */
const health = ['/health/live', '/health/ready', '/metrics']

/** Authenticates and counts every request before anything of its body is read. */
export function admitRequests(app: FastifyInstance, { authenticator, isOpen, quotas, inFlightClientMax }: Admission): void {
  const quota = (policy: Policy) => quotaOf(policy, quotas[policy])
  const [client, address, failures] = [quota('client'), quota('address'), quota('failures')]
  const places = openPlaces(inFlightClientMax)
  app.decorateRequest('actor', null as unknown as Actor)

  app.addHook('onRequest', (request, reply, done) => {
    const { config, url: route } = request.routeOptions
    if (route !== undefined && health.includes(route)) return done()
    if (config.open) return done(failures.check(placeIn(request), reply) ?? address.take(placeIn(request), reply))
    if (config.operationId === undefined || request.method === 'OPTIONS' || isOpen(request.method, pathOf(request))) {
      return done(address.take(placeIn(request), reply))
    }
    if (request.headers.authorization === undefined && request.headers[API_KEY_HEADER] === undefined) {
      return done(address.take(placeIn(request), reply) ?? new Problem('unauthenticated'))
    }
    const known = (actor: Actor) => {
      request.actor = actor
      const key = `${actor.issuer} ${actor.clientId} ${actor.subject}`
      done(client.take(key, reply) ?? places.take(key, reply))
    }
    const refused = (error: Error) => {
      // Right credentials let in whatever wrong ones came from the same address, which many may share.
      done((isWrong(error) && failures.take(placeIn(request), reply)) || error)
    }
    try {
      const actor = authenticator.authenticate(request.headers, clientAddress(request))
      if (actor instanceof Promise) actor.then(known, refused)
      else known(actor)
    } catch (error) {
      refused(error as Error)
    }
  })

  // Who guesses what the issuer knows of a client guesses credentials as well.
  app.addHook('onResponse', (request, reply, done) => {
    if (reply.statusCode === 401 && request.routeOptions.config.open) failures.take(placeIn(request))
    done()
  })
}

/** So many requests of each at a time. */
function openPlaces(max: number): { take(key: string, reply: FastifyReply): Problem | undefined } {
  const taken = new Map<string, number>()
  return {
    take(key, { raw }) {
      // Whoever went while their credentials were looked at needs no place, and would not give it back.
      if (raw.destroyed) return undefined
      const before = taken.get(key) ?? 0
      if (before >= max)
        return new Problem('too-many-requests', `This client has ${max} requests in flight`, { retryAfterSeconds: spread(1) })
      taken.set(key, before + 1)
      raw.once('close', () => {
        const left = taken.get(key)! - 1
        if (left === 0) taken.delete(key)
        else taken.set(key, left)
      })
      return undefined
    }
  }
}

type Quota = {
  /** Counts one. With a reply, which then tells what is left: the refusal, where that is nothing. */
  take(key: string, reply?: FastifyReply): Problem | undefined
  /** The refusal where nothing is left, counting nothing. */
  check(key: string, reply: FastifyReply): Problem | undefined
}

function quotaOf(policy: Policy, perMinute: number): Quota {
  if (perMinute === 0) return { take: () => undefined, check: () => undefined }
  const limit = openRateLimit({ name: policy, quota: perMinute })
  return {
    take(key, reply) {
      const allowance = limit.take(key)
      if (!reply) return undefined
      tell(limit, allowance, reply)
      return allowance.allowed ? undefined : refusal(limit, policy, allowance)
    },
    check(key, reply) {
      const allowance = limit.look(key)
      if (allowance.allowed) return undefined
      tell(limit, allowance, reply)
      return refusal(limit, policy, allowance)
    }
  }
}

function tell(limit: RateLimit, allowance: Allowance, reply: FastifyReply): void {
  reply.header('ratelimit-policy', limit.policy)
  reply.header('ratelimit', limit.field(allowance))
}

function refusal(limit: RateLimit, policy: Policy, allowance: Allowance): Problem {
  limitedRequests.inc({ policy })
  return limit.refusal(allowance, words[policy])
}

/** Wrong credentials, or more of them than who looks them up will hear. */
function isWrong(error: unknown): boolean {
  return error instanceof Problem && (error.status === 401 || error.status === 429)
}

const placeIn = (request: FastifyRequest) => placeOf(clientAddress(request))

const pathOf = ({ url }: FastifyRequest) => url.split('?')[0]!
