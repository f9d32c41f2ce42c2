/**
 * Credentials of which only those who gave them out can say whether they are good: asked once for all who come meanwhile, and the answer is
 * known here for a while. Nobody is let in while it cannot be told; whoever guesses is soon not asked for any more.
 */
import { LRUCache } from 'lru-cache'
import { Problem } from '#contracts/problems.ts'
import { openRateLimit } from '../http/rate-limit.ts'
import type { Actor } from './actor.ts'
import { type Networks, placeOf } from './networks.ts'

/** What credentials are worth: without an actor, nothing. */
export type Standing = {
  actor: Actor | undefined
  /** Why nothing, where whoever has them may know. */
  why?: string
  /** Where they may come from; undefined: from anywhere. */
  networks?: Networks | undefined
  /** How long that is known, from when it was asked. */
  knownMs: number
}

type Known = Standing & { untilMs: number }

export type LookedUpOptions<Presented> = {
  /** What a refusal calls them: `API key`. */
  noun: string
  /** The name of the limit of wrong ones: `api-key-failures`. */
  limit: string
  /** Rejects when it cannot be told. */
  lookUp(presented: Presented): Promise<Standing>
  /** Milliseconds that only ever grow. */
  now?: (() => number) | undefined
}

export interface LookedUp<Presented> {
  /** `id` names them without telling them. At once where they are known; `address` is where the request comes from. */
  admit(id: string, presented: Presented, address: string): Actor | Promise<Actor>
  /** Refuses what nobody needs to be asked about. */
  refuse(address: string): never
}

const KNOWN_MAX = 10_000
const LOOKUP_MS_MAX = 2000
const FAILURES_PER_MINUTE = 20

export function openLookedUp<Presented>(options: LookedUpOptions<Presented>): LookedUp<Presented> {
  const { noun, limit, lookUp, now = () => performance.now() } = options
  const known = new LRUCache<string, Known>({ max: KNOWN_MAX })
  const asking = new Map<string, Promise<Known>>()
  const failures = openRateLimit({ name: limit, quota: FAILURES_PER_MINUTE, now })

  function refuseGuessing(address: string): void {
    const left = failures.look(placeOf(address))
    if (!left.allowed) throw failures.refusal(left, `Too many wrong ${noun}s came from this address`)
  }

  function refuse(address: string, why = `The ${noun} is not good`): never {
    refuseGuessing(address)
    failures.take(placeOf(address))
    throw new Problem('unauthenticated', why)
  }

  /** One question at a time: whoever comes meanwhile waits for its answer. */
  function ask(id: string, presented: Presented): Promise<Known> {
    const asked = asking.get(id) ?? answer(id, presented).finally(() => asking.delete(id))
    asking.set(id, asked)
    return asked
  }

  async function answer(id: string, presented: Presented): Promise<Known> {
    // Counted from before the answer is made: it may be old when it comes.
    const askedAt = now()
    const standing = await withinTime(lookUp(presented), noun)
    const { actor, knownMs } = standing
    const stands = async () => isGood(fresh(id) ?? (await ask(id, presented)))
    const found = { ...standing, actor: actor && { ...actor, stands }, untilMs: askedAt + knownMs }
    known.set(id, found)
    return found
  }

  function fresh(id: string): Known | undefined {
    const found = known.get(id)
    return found && found.untilMs > now() ? found : undefined
  }

  function admitted(found: Known, address: string): Actor {
    if (!isGood(found) || found.networks?.has(address) === false) return refuse(address, found.why)
    return found.actor
  }

  return {
    admit(id, presented, address) {
      const found = fresh(id)
      if (found) return admitted(found, address)
      // What was good just now may go on: others who guess from the same address, a gateway's perhaps, do not lock it out.
      if (!known.get(id)?.actor) refuseGuessing(address)
      return ask(id, presented).then(answered => admitted(answered, address))
    },
    refuse
  }
}

function isGood(found: Known): found is Known & { actor: Actor } {
  return found.actor !== undefined && (found.actor.expiresAtMs ?? Number.POSITIVE_INFINITY) > Date.now()
}

async function withinTime(standing: Promise<Standing>, noun: string): Promise<Standing> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer in ${LOOKUP_MS_MAX} ms`)), LOOKUP_MS_MAX)
  try {
    return await Promise.race([standing, late])
  } catch (cause) {
    const refusal = new Problem('unavailable', `Whether the ${noun} is good cannot be told now`)
    refusal.cause = cause
    throw refusal
  } finally {
    clearTimeout(timer)
  }
}
