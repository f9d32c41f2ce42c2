/** Fetching the keys that somebody publishes, and taking of them what can verify signatures: of events, and of access tokens. */
import type { CryptoKey, JSONWebKeySet, JWK } from 'jose'
import { importJWK } from 'jose/key/import'
import type { HttpClient } from '../http/http-client.ts'
import { fetchPublished, type Published } from './published-json.ts'
import { nameOf, takes } from './signature-algorithms.ts'

export type { CryptoKey } from 'jose'

const KEYS_MAX = 100
const RSA_BITS_MIN = 2048

/** A key that verifies, and the one algorithm that it is for. */
export type PublishedKey = { key: CryptoKey; algorithm: string; text: string }
export type PublishedKeys = ReadonlyMap<string, PublishedKey>

/** The keys of a set that are of use to us, of each only what is public, and in `alg` the algorithm that it is for. */
export type KeySetText = JSONWebKeySet

/** The key set at a URL, of the keys for these algorithms; none when it is still that of `etag`. Throws when it cannot be had. */
export async function fetchKeySet(
  publisher: HttpClient,
  url: string,
  { etag, algorithms }: { etag: string | undefined; algorithms: readonly string[] }
): Promise<Published<KeySetText>> {
  const published = await fetchPublished(publisher, url, { etag, accept: 'application/jwk-set+json, application/json' })
  return published.value === undefined
    ? { ...published, value: undefined }
    : { ...published, value: readKeySet(published.value, algorithms) }
}

function readKeySet(value: unknown, algorithms: readonly string[]): KeySetText {
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys))
    throw new Error('it is no JSON Web Key Set')
  if (value.keys.length > KEYS_MAX) throw new Error(`it has over ${KEYS_MAX} keys`)
  const keys = value.keys.flatMap(key => publicPartOf(key, algorithms) ?? [])
  return { keys }
}

/** Others may publish keys for other purposes beside these: they are passed over. One key is for one algorithm. */
function publicPartOf(key: unknown, algorithms: readonly string[]): JWK | undefined {
  if (typeof key !== 'object' || key === null) return undefined
  const { kty, crv, x, y, n, e, kid, use, alg: stated, key_ops: uses } = key as JWK
  if (typeof kid !== 'string' || (use !== undefined && use !== 'sig')) return undefined
  if (Array.isArray(uses) && !uses.includes('verify')) return undefined
  const alg = algorithms.find(name => takes(name, { kty, crv }) && (stated === undefined || nameOf(stated) === name))
  return alg === undefined ? undefined : ({ kty, crv, x, y, n, e, kid, alg } as JWK)
}

/** Key id → public key. A key that is the same as before is the same object. */
export async function importKeys({ keys }: KeySetText, before?: PublishedKeys): Promise<PublishedKeys> {
  const imported = new Map<string, PublishedKey>()
  for (const key of keys) {
    const { kid, alg: algorithm = 'EdDSA' } = key
    const text = JSON.stringify(key)
    const known = before?.get(kid!)
    // One that is malformed says nothing about the others.
    const usable = known?.text === text ? known.key : await importJWK(key, algorithm).catch(() => undefined)
    if (usable && !(usable instanceof Uint8Array) && isStrong(usable) && !imported.has(kid!))
      imported.set(kid!, { key: usable, algorithm, text })
  }
  return imported
}

function isStrong({ algorithm }: CryptoKey): boolean {
  return !('modulusLength' in algorithm) || (algorithm.modulusLength as number) >= RSA_BITS_MIN
}
