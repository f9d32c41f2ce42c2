/**
 * Who is calling by an access token that says nothing itself (RFC 7662): the issuer that gives such tokens out is asked what each is worth.
 * The answer is held to what the claims of a JWT are held to, and known for a minute; that a token is none, for ten seconds.
 */
import { hash } from 'node:crypto'
import { Problem } from '#contracts/problems.ts'
import type { Authenticator } from './actor.ts'
import type { TrustedIssuer } from './issuers.ts'
import { openLookedUp } from './looked-up.ts'
import { bearerIn, type Claims, TOKEN_LENGTH_MAX } from './token.ts'
import { actorOf, faultOfClaims } from './token-claims.ts'

/** What a token is worth, as its issuer tells it; undefined: nothing. Rejects when it does not tell. */
export type Introspect = (token: string) => Promise<Claims | undefined>

const KNOWN_MS = 60_000
const UNKNOWN_MS = 10_000

/** RFC 6750 §2.1. */
const b64token = /^[A-Za-z0-9._~+/-]+=*$/

export type OpaqueTokensOptions = {
  issuer: TrustedIssuer
  introspect: Introspect
  /** Milliseconds that only ever grow. */
  now?: () => number
}

export function openOpaqueTokens({ issuer, introspect, now }: OpaqueTokensOptions): Authenticator {
  const tokens = openLookedUp<string>({
    noun: 'access token',
    limit: 'opaque-token-failures',
    async lookUp(token) {
      const claims = await introspect(token)
      if (!claims) return { actor: undefined, knownMs: UNKNOWN_MS }
      const why = faultOf(claims, issuer)
      return why === undefined
        ? { actor: actorOf(claims, issuer), knownMs: KNOWN_MS }
        : { actor: undefined, why, knownMs: UNKNOWN_MS }
    },
    now
  })
  return {
    authenticate({ authorization }, address = '') {
      const token = bearerIn(authorization)
      if (token === undefined) throw new Problem('unauthenticated')
      if (token.length > TOKEN_LENGTH_MAX || !b64token.test(token)) return tokens.refuse(address)
      return tokens.admit(hash('sha256', token, 'base64url'), token, address)
    }
  }
}

/** It answers for its own tokens only; whether it names itself is left to it (RFC 7662 §2.2). */
function faultOf(claims: Claims, issuer: TrustedIssuer): string | undefined {
  if (claims.iss !== undefined && claims.iss !== issuer.url) return 'The token is of an issuer that is not trusted here (iss)'
  return faultOfClaims(claims, issuer, Date.now())
}
