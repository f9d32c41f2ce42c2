/**
 * What whoever asks may do. An operation names one scope: the credentials must carry it, and where they act for a user, the user's roles
 * must allow it too. A user's token so never does more than its client may, and never more than the user may now.
 */
import { Problem } from '#contracts/problems.ts'
import type { Scope } from '#contracts/scopes.ts'
import type { Actor } from './actor.ts'
import type { KnownUsers, Standing } from './known-users.ts'

export interface Authorizer {
  /**
   * The actor with what it may do now. Throws or rejects with `insufficient-scope`, `insufficient-role`, `user-not-active`, or with
   * `unavailable` when nobody can say who the user is. At once where no user is concerned, or one known of just now.
   */
  authorize(actor: Actor, scope: Scope): Actor | Promise<Actor>
}

/** Without `users` a user's token is bound by what it carries only. */
export function openAuthorizer(users?: KnownUsers): Authorizer {
  const bounds = new WeakMap<Actor, { standing: Standing; actor: Actor }>()

  function bounded(actor: Actor, standing: Standing): Actor {
    const known = bounds.get(actor)
    if (known?.standing === standing) return known.actor
    const scopes = new Set([...actor.scopes].filter(scope => standing.scopes.has(scope)))
    const stands = async () => stillHas(scopes, await users!.get(actor.userId!)) && ((await actor.stands?.()) ?? true)
    const bound = { ...actor, scopes, stands }
    bounds.set(actor, { standing, actor: bound })
    return bound
  }

  function asUser(actor: Actor, standing: Standing, scope: Scope): Actor {
    if (standing.status !== ACTIVE)
      throw new Problem('user-not-active', `The user is ${standing.status}`, { userStatus: standing.status })
    if (!standing.scopes.has(scope)) throw new Problem('insufficient-role', `No role of the user allows ${scope}`, { scope })
    return bounded(actor, standing)
  }

  return {
    authorize(actor, scope) {
      if (!actor.scopes.has(scope)) throw new Problem('insufficient-scope', `This needs the scope ${scope}`, { scope })
      if (users === undefined || actor.userId === undefined) return actor
      const standing = users.get(actor.userId)
      if (standing instanceof Promise) return standing.then(known => asUser(actor, known, scope))
      return asUser(actor, standing, scope)
    }
  }
}

const ACTIVE = 'active'

function stillHas(scopes: ReadonlySet<string>, { status, scopes: allowed }: Standing): boolean {
  return status === ACTIVE && [...scopes].every(scope => allowed.has(scope))
}
