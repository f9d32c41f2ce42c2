import { UserUpdated } from '#contracts/events/user-events.ts'
import type { userApi } from '#contracts/http/user-api.ts'
import { Problem } from '#contracts/problems.ts'
import type { User } from '#contracts/resources/user.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announce } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { toUser, type UserRow } from './user.ts'

/** Changes what the body names. A change that makes no difference is none: no new version, no event. */
export async function updateUser(
  tx: Transaction,
  { params, body, expected }: Input<typeof userApi.operations.updateUser>
): Promise<User> {
  const [current] = await tx.query<UserRow>('select * from users where user_id = $1 for update', [params.userId])
  if (!current) throw new Problem('not-found')
  keepBefore(tx, toUser(current))
  checkVersion(expected, current.version)
  const { name = current.name, roles = current.roles, status = current.status } = body
  const same = name === current.name && status === current.status && JSON.stringify(roles) === JSON.stringify(current.roles)
  if (same) return toUser(current)

  const [row] = await tx.query<UserRow>(
    `update users set name = $2, roles = $3, status = $4, version = version + 1, updated_at = now()
     where user_id = $1 returning *`,
    [params.userId, name, roles, status]
  )
  const user = toUser(row!)
  announce(tx, UserUpdated, { userId: user.userId, name, roles, status }, user.version)
  return user
}
