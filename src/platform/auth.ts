/** Who is calling: a JWT access token (RFC 9068) from the issuer, verified here and never taken from a gateway's header. */
import type { JWTVerifyGetKey } from 'jose'
import { JOSEError } from 'jose/errors'
import { createRemoteJWKSet } from 'jose/jwks/remote'
import { jwtVerify } from 'jose/jwt/verify'
import { LRUCache } from 'lru-cache'
import { Problem } from '#contracts/problems.ts'
import type { Actor, Authenticator } from './actor.ts'

const TOKEN_LENGTH_MAX = 8192
const LEEWAY_SECONDS = 30
const algorithms = ['EdDSA', 'ES256', 'PS256', 'RS256']

type Verified = { actor: Actor; expiresAtMs: number }

/** `jwksUrl` is asked when the first token comes: in one process the issuer starts beside those who trust it. */
export function openAuthenticator(options: { issuer: string; audience: string; jwksUrl: () => string }): Authenticator {
  let keys: JWTVerifyGetKey | undefined
  // Verifying a signature costs as much as answering several requests; a token stays what it is until it expires.
  const verified = new LRUCache<string, Verified>({ max: 10_000 })

  async function verify(token: string): Promise<Actor> {
    try {
      keys ??= createRemoteJWKSet(new URL(options.jwksUrl()), { cooldownDuration: 5000, cacheMaxAge: 600_000 })
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: options.audience,
        typ: 'at+jwt',
        algorithms,
        clockTolerance: LEEWAY_SECONDS,
        requiredClaims: ['sub', 'exp']
      })
      const { sub } = payload
      if (!isSubject(sub)) throw new Problem('unauthenticated')
      const scope = typeof payload.scope === 'string' ? payload.scope.split(' ') : []
      const clientId = typeof payload.client_id === 'string' ? payload.client_id : sub
      const expiresAtMs = (payload.exp! + LEEWAY_SECONDS) * 1000
      const user = clientId === sub ? {} : { userId: sub }
      const actor = { subject: sub, clientId, issuer: options.issuer, scopes: new Set(scope), ...user, expiresAtMs }
      verified.set(token, { actor, expiresAtMs })
      return actor
    } catch (error) {
      throw refusalOf(error)
    }
  }

  return {
    authenticate({ authorization }) {
      const token = authorization && bearerPattern.test(authorization) ? authorization.slice(7) : undefined
      if (!token || token.length > TOKEN_LENGTH_MAX) throw new Problem('unauthenticated')
      const known = verified.get(token)
      if (known && known.expiresAtMs > Date.now()) return known.actor
      return verify(token)
    }
  }
}

const bearerPattern = /^Bearer [^ ]/i
const SUBJECT_LENGTH_MAX = 255

/** The subject is stored: beside changes, and with idempotency keys. */
function isSubject(subject: unknown): subject is string {
  if (typeof subject !== 'string' || subject === '' || subject.length > SUBJECT_LENGTH_MAX) return false
  return subject.isWellFormed() && !subject.includes('\0')
}

/** What jose says when the issuer's keys cannot be had, or are none. */
const ofKeys = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']

/** A token that is wrong is the caller's fault; keys that cannot be fetched are not. */
function refusalOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  const wrongToken = error instanceof JOSEError && !ofKeys.includes(error.code)
  const refusal = wrongToken ? new Problem('unauthenticated') : new Problem('unavailable', "The issuer's keys cannot be fetched")
  refusal.cause = error
  return refusal
}
