/** A JWT as text: what can be said of it before anybody asks for a key. Nothing here is believed yet. */

export const TOKEN_LENGTH_MAX = 8192
const KID_LENGTH_MAX = 128

/** What a token says. */
export type Claims = Readonly<Record<string, unknown>>

export type ReadToken = { alg: string; kid: string; typ: string | undefined; claims: Claims }

const bearerPattern = /^Bearer [^ ]/i

/** The token of an Authorization header (RFC 6750 §2.1), as it stands there; undefined where there is none. */
export function bearerIn(authorization: string | undefined): string | undefined {
  return authorization !== undefined && bearerPattern.test(authorization) ? authorization.slice(7) : undefined
}

/** Whether a token says something itself: as every JWT, signed or not, it begins with a JSON object in base64url. */
export function isJwt(token: string): boolean {
  return token.startsWith('eyJ')
}

/** Header, claims and signature in base64url, and nothing else: encrypted and JSON forms have other parts. */
const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The token taken apart; none if it is no signed token in the compact form, or asks for what we do not do. */
export function readToken(token: string): ReadToken | undefined {
  if (token.length > TOKEN_LENGTH_MAX || !compact.test(token)) return undefined
  const [first, second] = token.split('.') as [string, string]
  const header = objectIn(first)
  if (!header) return undefined
  const { alg, kid, typ } = header
  // Extensions that must be understood: none is. Where to find a key (jku, jwk, x5u, x5c) is not looked at: it is the issuer who says that.
  if ('crit' in header || 'b64' in header || 'enc' in header || 'zip' in header) return undefined
  if (typeof alg !== 'string' || typeof kid !== 'string' || kid === '' || kid.length > KID_LENGTH_MAX) return undefined
  if (typ !== undefined && typeof typ !== 'string') return undefined
  const claims = objectIn(second)
  return claims && { alg, kid, typ: typ?.toLowerCase().replace(/^application\//, ''), claims }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function objectIn(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(part, 'base64url')))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : undefined
  } catch {
    return undefined
  }
}
