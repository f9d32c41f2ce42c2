import type { ToldUser } from '#platform/identity/known-users-store.ts'
import type { Queryable } from '#platform/postgres/database.ts'

/** Who some users are, for deciding what those may do who act for them. */
export function loadUsers(database: Queryable, userIds: readonly string[]): Promise<ToldUser[]> {
  return database.query<ToldUser>('select user_id as "userId", roles, status, version from users where user_id = any($1)', [
    userIds
  ])
}
