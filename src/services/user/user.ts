import type { User } from '#contracts/resources/user.ts'

/** A user as its row has it. */
export type UserRow = {
  user_id: string
  name: string
  email: string | null
  roles: string[]
  status: User['status']
  version: number
  created_at: string
  updated_at: string
}

export function toUser(row: UserRow): User {
  return {
    userId: row.user_id,
    name: row.name,
    ...(row.email === null ? {} : { email: row.email }),
    roles: row.roles,
    status: row.status,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }
}
