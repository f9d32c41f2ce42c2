/** The algorithms that signatures of others may have, and what kind of key each takes. None of them has a secret that both sides know. */
const kinds: Readonly<Record<string, { kty: string; crv?: string }>> = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' }
}

/** Every algorithm there is, by the name under which it is kept. */
export const signatureAlgorithms = Object.keys(kinds)

/** The two names of one algorithm: of RFC 8037, and of RFC 9864. */
export const edwards = ['EdDSA', 'Ed25519']

/** The one name under which an algorithm is kept; letters are as they are. */
export const nameOf = (algorithm: string) => (edwards.includes(algorithm) ? 'EdDSA' : algorithm)

/** Whether an algorithm takes keys of this kind. */
export function takes(algorithm: string, { kty, crv }: { kty?: unknown; crv?: unknown }): boolean {
  const kind = kinds[algorithm]
  return kind !== undefined && kind.kty === kty && kind.crv === crv
}
