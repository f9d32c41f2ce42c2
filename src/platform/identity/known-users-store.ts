/**
 * What this service has been told of users, kept where all its processes see it. Answers and events come in any order: what is newer by
 * the user's own count holds, and where that cannot be told, nothing holds until the User Service has been asked.
 */
import type { EventOf } from '#contracts/envelope.ts'
import type { UserUpdated } from '#contracts/events/user-events.ts'
import type { Database, Queryable, Transaction } from '../postgres/database.ts'

/** A user as we were told. `version` is undefined of a User Service that counts none. */
export type ToldUser = { userId: string; roles: readonly string[]; status: string; version: number | undefined }

/** A user as we have it; roles and status are null when we only know that they are different now. */
export type KeptUser = {
  userId: string
  roles: readonly string[] | null
  status: string | null
  ageMs: number
  /** Changes whenever we are told something. */
  toldAt: string
}

/** The status of those of whom the User Service says that there is nobody. */
export const UNKNOWN = 'unknown'

export async function readKeptUsers(database: Queryable, userIds: readonly string[]): Promise<KeptUser[]> {
  return database.query<KeptUser>(
    `select user_id as "userId", roles, status, told_at::text as "toldAt",
       greatest(0, extract(epoch from clock_timestamp() - told_at) * 1000)::float8 as "ageMs"
     from known_users where user_id = any($1)`,
    [userIds]
  )
}

/**
 * Keeps an answer, unless something newer was told while it was under way: then false. Without a version, anything told meanwhile is
 * taken for newer; `before` is what was kept when the question was asked.
 */
export async function keepAnswer(database: Database, answer: ToldUser, before: KeptUser | undefined): Promise<boolean> {
  const kept = await database.query(
    `insert into known_users as k (user_id, roles, status, sequence, told_at)
     values ($1, $2, $3, coalesce($4::bigint, 0), clock_timestamp())
     on conflict (user_id) do update set
       roles = excluded.roles, status = excluded.status, sequence = greatest(k.sequence, excluded.sequence), told_at = excluded.told_at
     where case when $4::bigint is null then k.told_at::text = $5 else k.sequence <= excluded.sequence end
     returning 1`,
    [answer.userId, answer.roles, answer.status, answer.version ?? null, before?.toldAt ?? null]
  )
  return kept.length > 0
}

/**
 * Follows `UserUpdated`. One that does not say roles and status, and one that differs but counts no higher though it was made later (its
 * publisher does not count), both say only that the user is different now.
 */
export function followUser(tx: Transaction, event: EventOf<typeof UserUpdated>): Promise<unknown> {
  const { userId, roles = null, status = null, sequence, timestamp } = event
  const isWhole = roles !== null && status !== null
  return tx.query(
    `insert into known_users as k (user_id, roles, status, sequence, told_at) values ($1, $2, $3, $4, clock_timestamp())
     on conflict (user_id) do update set
       roles = case when k.sequence < excluded.sequence then excluded.roles end,
       status = case when k.sequence < excluded.sequence then excluded.status end,
       sequence = greatest(k.sequence, excluded.sequence),
       told_at = excluded.told_at
     where k.sequence < excluded.sequence
       or ((k.roles, k.status) is distinct from (excluded.roles, excluded.status)
         and (k.sequence = excluded.sequence or k.told_at < $5::timestamptz))`,
    [userId, isWhole ? roles : null, isWhole ? status : null, sequence, timestamp]
  )
}

/** Forgets those whom nobody has told of for long; gives back how many of at most `limit`. */
export async function pruneKnownUsers(database: Queryable, days: number, limit: number): Promise<number> {
  const gone = await database.query(
    `delete from known_users where user_id in (
       select user_id from known_users where told_at < now() - make_interval(days => $1) limit $2
     ) returning 1`,
    [days, limit]
  )
  return gone.length
}
