import type { userApi } from '#contracts/http/user-api.ts'
import { Problem } from '#contracts/problems.ts'
import type { User } from '#contracts/resources/user.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { toUser, type UserRow } from './user.ts'

export async function getUser({ database }: Reading, { params }: Input<typeof userApi.operations.getUser>): Promise<User> {
  const [row] = await database.query<UserRow>('select * from users where user_id = $1', [params.userId])
  if (!row) throw new Problem('not-found')
  return toUser(row)
}
