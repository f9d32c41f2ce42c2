/** Users of the reference User Service. */
import { type Static, Type } from 'typebox'
import { closed, extensible, ForeignId, Line, Timestamp, Version } from './primitives.ts'

export const UserStatus = Type.Union([Type.Literal('active'), Type.Literal('suspended')], extensible)

export const User = Type.Object(
  {
    userId: ForeignId('The user'),
    name: Line(200),
    email: Type.Optional(Type.String({ format: 'email', maxLength: 254 })),
    roles: Type.Array(Line(64), { maxItems: 50 }),
    status: UserStatus,
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'User' }
)
export type User = Static<typeof User>

export const UpdateUser = Type.Object(
  {
    name: Type.Optional(Line(200)),
    roles: Type.Optional(Type.Array(Line(64), { maxItems: 50, uniqueItems: true })),
    status: Type.Optional(UserStatus)
  },
  { ...closed, title: 'UpdateUser' }
)
export type UpdateUser = Static<typeof UpdateUser>
