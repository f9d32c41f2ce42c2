/**
 * Who comes with an API key. Whether a key is good is looked up where keys are kept, and known here for three seconds from when that was
 * asked: so one that is taken back ends everywhere within five. Nobody is let in while it cannot be looked up.
 */
import { LRUCache } from 'lru-cache'
import { Problem } from '#contracts/problems.ts'
import type { ApiKeyStanding } from '#contracts/resources/api-key.ts'
import { openRateLimit } from '../http/rate-limit.ts'
import { type Actor, API_KEY_ISSUER, type Authenticator } from './actor.ts'
import { type PresentedKey, readApiKey } from './api-key.ts'
import { type Networks, networksOf, placeOf } from './networks.ts'

/** Says what a key allows now. Rejects when that cannot be told. */
export type LookUpApiKey = (key: PresentedKey) => Promise<ApiKeyStanding>

export const API_KEY_HEADER = 'x-api-key'

const KNOWN_MS = 3000
const KNOWN_MAX = 10_000
const LOOKUP_MS_MAX = 2000
const KEY_LENGTH_MAX = 128
const FAILURES_PER_MINUTE = 20

type Known = { actor: Actor | undefined; networks: Networks | undefined; untilMs: number }

export type ApiKeyCheckOptions = {
  /** The word in keys of this installation. */
  environment: string
  lookUp: LookUpApiKey
  /** Milliseconds that only ever grow. */
  now?: () => number
}

/** Lets in whoever comes with a good key; `authenticate` needs the address that the request comes from. */
export function openApiKeyCheck({ environment, lookUp, now = () => performance.now() }: ApiKeyCheckOptions): Authenticator {
  const known = new LRUCache<string, Known>({ max: KNOWN_MAX })
  const asking = new Map<string, Promise<Known>>()
  const failures = openRateLimit({ name: 'api-key-failures', quota: FAILURES_PER_MINUTE, now })

  function refuseGuessing(address: string): void {
    const left = failures.look(placeOf(address))
    if (!left.allowed) throw failures.refusal(left, 'Too many wrong API keys came from this address')
  }

  function refuse(address: string): never {
    refuseGuessing(address)
    failures.take(placeOf(address))
    throw new Problem('unauthenticated', 'The API key is not good')
  }

  /** One question at a time: whoever comes meanwhile waits for its answer. */
  function ask(id: string, key: PresentedKey): Promise<Known> {
    const asked = asking.get(id) ?? answer(id, key).finally(() => asking.delete(id))
    asking.set(id, asked)
    return asked
  }

  async function answer(id: string, key: PresentedKey): Promise<Known> {
    // Counted from before the answer is made: it may be old when it comes.
    const untilMs = now() + KNOWN_MS
    const standing = await withinTime(lookUp(key))
    const stands = async () => isGood(fresh(id) ?? (await ask(id, key)))
    const found = { ...bearerOf(key, standing, stands), untilMs }
    known.set(id, found)
    return found
  }

  function fresh(id: string): Known | undefined {
    const found = known.get(id)
    return found && found.untilMs > now() ? found : undefined
  }

  function admit(found: Known, address: string): Actor {
    if (!isGood(found) || found.networks?.has(address) === false) refuse(address)
    return found.actor
  }

  return {
    authenticate(headers, address = '') {
      const text = headers[API_KEY_HEADER]
      const key = typeof text === 'string' && text.length <= KEY_LENGTH_MAX ? readApiKey(text, environment) : undefined
      if (!key) refuse(address)
      const id = `${key.apiKeyId} ${key.digest}`
      const found = fresh(id)
      if (found) return admit(found, address)
      // What was good just now may go on: others who guess from the same address, a gateway's perhaps, do not lock it out.
      if (!known.get(id)?.actor) refuseGuessing(address)
      return ask(id, key).then(answered => admit(answered, address))
    }
  }
}

function isGood(found: Known): found is Known & { actor: Actor } {
  return found.actor !== undefined && (found.actor.expiresAtMs ?? Number.POSITIVE_INFINITY) > Date.now()
}

/** A key stands for a program, never for a user. */
function bearerOf(
  { apiKeyId }: PresentedKey,
  { active, scopes, networks, expiresAt }: ApiKeyStanding,
  stands: () => Promise<boolean>
): Pick<Known, 'actor' | 'networks'> {
  if (!active) return { actor: undefined, networks: undefined }
  const subject = `api-key:${apiKeyId}`
  const expiry = expiresAt === null ? {} : { expiresAtMs: Date.parse(expiresAt) }
  const actor = { subject, clientId: subject, issuer: API_KEY_ISSUER, scopes: new Set(scopes), stands, ...expiry }
  return { actor, networks: networks.length === 0 ? undefined : networksOf(networks) }
}

async function withinTime(standing: Promise<ApiKeyStanding>): Promise<ApiKeyStanding> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer in ${LOOKUP_MS_MAX} ms`)), LOOKUP_MS_MAX)
  try {
    return await Promise.race([standing, late])
  } catch (cause) {
    const refusal = new Problem('unavailable', 'Whether the API key is good cannot be told now')
    refusal.cause = cause
    throw refusal
  } finally {
    clearTimeout(timer)
  }
}
