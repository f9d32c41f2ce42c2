/** What a User Service says, on `user.events`. */
import { Type } from 'typebox'
import { defineEvent } from '../define.ts'
import { ForeignId, Line } from '../resources/primitives.ts'

export const UserUpdated = defineEvent({
  topic: 'user.events',
  key: 'userId',
  subject: 'user/{userId}',
  version: 1,
  type: 'UserUpdated',
  summary: 'A user is different: name, roles or status',
  data: Type.Object({
    userId: ForeignId('The user'),
    name: Type.Optional(Line(200)),
    roles: Type.Optional(Type.Array(Line(64), { maxItems: 50 })),
    status: Type.Optional(Type.String({ maxLength: 32, description: 'active, suspended; more may come' }))
  })
})

export const userEvents = [UserUpdated]
