/**
 * Who comes with an API key. Whether a key is good is looked up where keys are kept, and known here for three seconds from when that was
 * asked: so one that is taken back ends everywhere within five.
 */
import type { ApiKeyStanding } from '#contracts/resources/api-key.ts'
import { type Actor, API_KEY_ISSUER, type Authenticator } from './actor.ts'
import { type PresentedKey, readApiKey } from './api-key.ts'
import { openLookedUp } from './looked-up.ts'
import { networksOf } from './networks.ts'

/** Says what a key allows now. Rejects when that cannot be told. */
export type LookUpApiKey = (key: PresentedKey) => Promise<ApiKeyStanding>

export const API_KEY_HEADER = 'x-api-key'

const KNOWN_MS = 3000
const KEY_LENGTH_MAX = 128

export type ApiKeyCheckOptions = {
  /** The word in keys of this installation. */
  environment: string
  lookUp: LookUpApiKey
  /** Milliseconds that only ever grow. */
  now?: () => number
}

/** Lets in whoever comes with a good key; `authenticate` needs the address that the request comes from. */
export function openApiKeyCheck({ environment, lookUp, now }: ApiKeyCheckOptions): Authenticator {
  const keys = openLookedUp<PresentedKey>({
    noun: 'API key',
    limit: 'api-key-failures',
    async lookUp(key) {
      const { active, scopes, networks, expiresAt } = await lookUp(key)
      const actor = active ? bearerOf(key, scopes, expiresAt) : undefined
      return { actor, networks: networks.length === 0 ? undefined : networksOf(networks), knownMs: KNOWN_MS }
    },
    now
  })
  return {
    authenticate(headers, address = '') {
      const text = headers[API_KEY_HEADER]
      const key = typeof text === 'string' && text.length <= KEY_LENGTH_MAX ? readApiKey(text, environment) : undefined
      if (!key) return keys.refuse(address)
      return keys.admit(`${key.apiKeyId} ${key.digest}`, key, address)
    }
  }
}

/** A key stands for a program, never for a user. */
function bearerOf({ apiKeyId }: PresentedKey, scopes: readonly string[], expiresAt: string | null): Actor {
  const subject = `api-key:${apiKeyId}`
  const expiry = expiresAt === null ? {} : { expiresAtMs: Date.parse(expiresAt) }
  return { subject, clientId: subject, issuer: API_KEY_ISSUER, scopes: new Set(scopes), ...expiry }
}
