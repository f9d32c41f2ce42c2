/** Fetching the keys that somebody publishes, and taking of them what can verify events: Ed25519, and nothing else. */
import type { CryptoKey, JSONWebKeySet, JWK } from 'jose'
import { importJWK } from 'jose/key/import'

export type { CryptoKey, JSONWebKeySet } from 'jose'

const TIMEOUT_MS = 5000
const KEY_SET_BYTES_MAX = 65_536
/** What a key set may say of how long it can be believed, and what one is taken to say that says nothing. */
export const MAX_AGE_MS = { least: 60_000, most: 600_000 }

/** The key set at a URL, of the keys that can verify events; without `keySet` when it is still that of `etag`. Throws when it cannot be had. */
export async function fetchKeySet(url: string, etag: string | undefined) {
  // A redirect would have somebody else's keys believed.
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const headers = { accept: 'application/jwk-set+json, application/json', ...(etag ? { 'if-none-match': etag } : {}) }
  const response = await fetch(url, { headers, redirect: 'error', signal })
  const stated = Number(/(?:^|[,\s])max-age=(\d{1,9})/i.exec(response.headers.get('cache-control') ?? '')?.[1] ?? 600) * 1000
  const maxAgeMs = Math.min(MAX_AGE_MS.most, Math.max(MAX_AGE_MS.least, stated))
  if (response.status === 304 && etag) return { maxAgeMs }
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`it answered ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > KEY_SET_BYTES_MAX) throw new Error(`it is over ${KEY_SET_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return { keySet: readKeySet(Buffer.concat(chunks).toString()), etag: response.headers.get('etag') ?? undefined, maxAgeMs }
}

function readKeySet(text: string): JSONWebKeySet {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys))
    throw new Error('it is no JSON Web Key Set')
  return { keys: value.keys.filter(isUsable).map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid })) as JWK[] }
}

/** Others may publish keys for other purposes beside these. */
function isUsable(key: unknown): key is JWK {
  if (typeof key !== 'object' || key === null) return false
  const { kty, crv, x, kid, use, alg } = key as JWK
  const signs = (use === undefined || use === 'sig') && (alg === undefined || algorithms.includes(alg))
  return kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string' && typeof kid === 'string' && signs
}

/** The two names of the one algorithm that is accepted: of RFC 8037, and of RFC 9864. */
export const algorithms = ['EdDSA', 'Ed25519']

/** Key id → public key. */
export async function importKeys({ keys }: JSONWebKeySet): Promise<ReadonlyMap<string, CryptoKey>> {
  const imported = new Map<string, CryptoKey>()
  for (const key of keys) {
    // One that is malformed says nothing about the others.
    const usable = await importJWK(key, 'EdDSA').catch(() => undefined)
    if (usable) imported.set(key.kid!, usable as CryptoKey)
  }
  return imported
}
