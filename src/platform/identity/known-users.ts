/**
 * Who a user is now, for those who act in a user's name. Told by the User Service, when first asked, and by its events since; kept in the
 * database, and here for half a second, so that what one process is told holds in all. What nobody can tell allows nothing.
 */
import { LRUCache } from 'lru-cache'
import { Problem } from '#contracts/problems.ts'
import { scopesOfRoles } from '#contracts/roles.ts'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import type { Database, Queryable } from '../postgres/database.ts'
import { type KeptUser, keepAnswer, readKeptUsers, type ToldUser, UNKNOWN } from './known-users-store.ts'

/** A user as of now, or as last told: the status, and the scopes of the roles. */
export type Standing = { readonly status: string; readonly roles: readonly string[]; readonly scopes: ReadonlySet<string> }

export interface KnownUsers {
  /** At once for those asked about within half a second. Rejects with `unavailable` when nobody can tell. */
  get(userId: string): Standing | Promise<Standing>
}

/** Asks the User Service; undefined: it says that there is nobody of that id. Rejects when it does not say. */
export type AskUser = (userId: string) => Promise<ToldUser | undefined>

export type UserAges = {
  /** What was told longer ago is asked again, while it still holds. */
  freshMs: number
  /** What was told longer ago holds no more. */
  staleMs: number
}

const KEPT_MS = 500
const KEPT_MAX = 10_000
/** Somebody who was unknown may have been registered just now. */
const UNKNOWN_FRESH_MS = 5000

/** What a service knows of users: its own, or what it is told; undefined where nobody can be asked. */
export function openUsersOf(
  { users }: { users?: (database: Queryable, userIds: readonly string[]) => Promise<ToldUser[]> },
  { askUser, config, database, log }: { askUser: AskUser | undefined; config: Config; database: Database; log: Log }
): KnownUsers | undefined {
  if (!askUser) return undefined
  if (users) return openOwnUsers(userIds => users(database, userIds))
  const ages = { freshMs: config.USER_FRESH_SECONDS * 1000, staleMs: config.USER_STALE_SECONDS * 1000 }
  return openKnownUsers({ database, ask: askUser, ages, log })
}

export type Following = {
  database: Database
  ask: AskUser
  ages: UserAges
  log: Log
  /** Milliseconds of a clock that only goes on. */
  now?: () => number
}

/** Of a service that follows the User Service. */
export function openKnownUsers({ database, ask, ages, log, now }: Following): KnownUsers {
  const askingAgain = new Set<string>()
  let away = false

  async function answerOf(userId: string, before: KeptUser | undefined): Promise<KeptUser> {
    const answer = await asked(userId)
    const told = answer ?? { userId, roles: [], status: UNKNOWN, version: undefined }
    if (await keepAnswer(database, told, before)) return { ...told, ageMs: 0, toldAt: '' }
    // Something newer was told while we asked.
    const [kept] = await readKeptUsers(database, [userId])
    if (kept && isTold(kept)) return kept
    throw new Error('the User Service answered an older state than it has told of')
  }

  async function asked(userId: string): Promise<ToldUser | undefined> {
    try {
      const answer = await ask(userId)
      if (away) log.info({ unit: 'users' }, 'the User Service answers again')
      away = false
      return answer
    } catch (error) {
      if (!away) log.warn({ unit: 'users', error: String(error) }, 'the User Service does not say who a user is')
      away = true
      throw error
    }
  }

  function askAgain(userId: string, kept: KeptUser): void {
    if (askingAgain.has(userId)) return
    askingAgain.add(userId)
    answerOf(userId, kept)
      // What is kept holds on; its age decides until when.
      .catch(() => {})
      .finally(() => askingAgain.delete(userId))
  }

  async function current(userId: string, kept: KeptUser | undefined): Promise<KeptUser> {
    const holds = kept !== undefined && isTold(kept) && kept.ageMs < ages.staleMs
    if (holds && kept.ageMs < (kept.status === UNKNOWN ? UNKNOWN_FRESH_MS : ages.freshMs)) return kept
    if (holds && kept.status !== UNKNOWN) {
      askAgain(userId, kept)
      return kept
    }
    try {
      return await answerOf(userId, kept)
    } catch (cause) {
      if (holds) return kept
      throw unavailable(cause)
    }
  }

  return openStandings(ids => readKeptUsers(database, ids), current, now)
}

/** Of the service that has the users itself: it asks nobody. */
function openOwnUsers(load: (userIds: readonly string[]) => Promise<ToldUser[]>): KnownUsers {
  const nobody = { roles: [], status: UNKNOWN, version: undefined }
  return openStandings(load, async (userId, user) => user ?? { userId, ...nobody })
}

type Loaded = { userId: string; roles: readonly string[] | null; status: string | null }

function openStandings<User extends Loaded>(
  load: (userIds: readonly string[]) => Promise<User[]>,
  current: (userId: string, user: User | undefined) => Promise<Loaded>,
  now = () => performance.now()
): KnownUsers {
  const memory = new LRUCache<string, { standing: Standing; untilMs: number }>({ max: KEPT_MAX })
  const finding = new Map<string, Promise<Standing>>()
  let waiting: { ids: Set<string>; users: Promise<Map<string, User>> } | undefined

  /** One read for all who come in one turn of the event loop. */
  function read(userId: string): Promise<Map<string, User>> {
    if (!waiting) {
      const ids = new Set<string>()
      const users = new Promise(setImmediate).then(async () => {
        waiting = undefined
        return new Map((await load([...ids])).map(user => [user.userId, user]))
      })
      waiting = { ids, users }
    }
    waiting.ids.add(userId)
    return waiting.users
  }

  async function find(userId: string): Promise<Standing> {
    // From before it is read: what changes from then on is seen half a second later at most.
    const untilMs = now() + KEPT_MS
    const users = await read(userId)
    const standing = standingOf(await current(userId, users.get(userId)))
    memory.set(userId, { standing, untilMs })
    return standing
  }

  return {
    get(userId) {
      const kept = memory.get(userId)
      if (kept && kept.untilMs > now()) return kept.standing
      let found = finding.get(userId)
      if (!found) {
        found = find(userId).finally(() => finding.delete(userId))
        finding.set(userId, found)
      }
      return found
    }
  }
}

function isTold({ roles, status }: KeptUser): boolean {
  return roles !== null && status !== null
}

function standingOf({ roles, status }: Loaded): Standing {
  const known = roles ?? []
  return { status: status ?? UNKNOWN, roles: known, scopes: scopesOfRoles(known) }
}

function unavailable(cause: unknown): Problem {
  const refusal = new Problem('unavailable', 'Who this user is cannot be told now', { retryAfterSeconds: 1 })
  refusal.cause = cause
  return refusal
}
