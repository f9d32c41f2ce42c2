/** Who is calling by a JWT access token: verified here against the keys of its issuer, never taken from a gateway's header. */
import { hash } from 'node:crypto'
import { JOSEError } from 'jose/errors'
import { jwtVerify } from 'jose/jwt/verify'
import { LRUCache } from 'lru-cache'
import { Problem } from '#contracts/problems.ts'
import type { Log } from '../log.ts'
import type { KeptKeys, KeysHealth } from '../signing/kept-keys.ts'
import type { PublishedKey } from '../signing/published-keys.ts'
import { nameOf } from '../signing/signature-algorithms.ts'
import type { Actor, Authenticator } from './actor.ts'
import { openIssuerKeys } from './issuer-keys.ts'
import type { TrustedIssuer } from './issuers.ts'
import { bearerIn, readToken } from './token.ts'
import { actorOf, faultOf } from './token-claims.ts'

const VERIFIED_MAX = 10_000

type Verified = { actor: Actor; expiresAtMs: number; kid: string; key: PublishedKey; keys: KeptKeys }

export interface TokenAuthenticator extends Authenticator {
  /** How each issuer's keys are doing: issuer → health. */
  health(): ReadonlyMap<string, KeysHealth>
}

/** `now` is the wall clock in milliseconds; given one, the age of keys goes by it as well. */
export function openAuthenticator(options: {
  issuers: readonly TrustedIssuer[]
  log: Log
  now?: () => number
}): TokenAuthenticator {
  const { log, now = Date.now } = options
  const issuers = new Map(
    options.issuers.map(issuer => [issuer.url, { issuer, keys: openIssuerKeys({ issuer, log, now: options.now }) }])
  )
  // Verifying a signature costs as much as answering several requests; a token stays what it is until it expires or its key is gone.
  const verified = new LRUCache<string, Verified>({ max: VERIFIED_MAX })

  async function verify(token: string, digest: string): Promise<Actor> {
    const read = readToken(token)
    if (!read) throw new Problem('unauthenticated', 'The token is no signed JWT with a key id')
    const { alg, kid, claims } = read
    const trusted = issuers.get(claims.iss as string)
    if (!trusted) throw new Problem('unauthenticated', 'The token is of an issuer that is not trusted here (iss)')
    const { issuer, keys } = trusted
    if (!issuer.form.algorithms.includes(nameOf(alg)))
      throw new Problem('unauthenticated', 'The token is signed in a way that is not accepted (alg)')
    const fault = faultOf(read, issuer, now())
    if (fault) throw new Problem('unauthenticated', fault)
    const found = await keys.find(kid)
    if (found.kind === 'unavailable') throw awayFor(found.retryInMs, found.error)
    // Whether a key is there or a signature is wrong is nobody's business.
    if (found.kind === 'absent' || found.key.algorithm !== nameOf(alg)) throw new Problem('unauthenticated', NOT_SIGNED)
    await checkSignature(token, found.key, alg, issuer, now())
    const actor = actorOf(claims, issuer)
    verified.set(digest, { actor, expiresAtMs: actor.expiresAtMs!, kid, key: found.key, keys })
    return actor
  }

  return {
    authenticate({ authorization }) {
      const token = bearerIn(authorization)
      if (token === undefined) throw new Problem('unauthenticated')
      const digest = hash('sha256', token, 'base64url')
      const known = verified.get(digest)
      if (known && known.expiresAtMs > now() && known.keys.atHand(known.kid)?.key === known.key.key) return known.actor
      return verify(token, digest)
    },
    health: () => new Map([...issuers].map(([url, { keys }]) => [url, keys.health()]))
  }
}

const NOT_SIGNED = 'The token is not signed with a key of its issuer'

async function checkSignature(
  token: string,
  { key }: PublishedKey,
  alg: string,
  issuer: TrustedIssuer,
  now: number
): Promise<void> {
  const { url, audiences, form, leewaySeconds } = issuer
  try {
    // What was looked at before is looked at once more by those who know better.
    await jwtVerify(token, key, {
      issuer: url,
      ...(form.audience === 'aud' ? { audience: [...audiences] } : {}),
      algorithms: [alg],
      clockTolerance: leewaySeconds,
      currentDate: new Date(now),
      requiredClaims: ['sub', 'exp']
    })
  } catch (error) {
    const refusal = error instanceof JOSEError ? new Problem('unauthenticated', NOT_SIGNED) : new Problem('internal')
    refusal.cause = error
    throw refusal
  }
}

function awayFor(retryInMs: number, error: string): Problem {
  const seconds = Math.max(1, Math.ceil(retryInMs / 1000))
  const problem = new Problem('unavailable', "The issuer's keys cannot be fetched", { retryAfterSeconds: seconds })
  problem.cause = error
  return problem
}
