/** What the reference User Service can be asked over HTTP. In development it issues tokens as well, at `/oauth`. */
import { Type } from 'typebox'
import { defineApi } from '../define.ts'
import { ForeignId } from '../resources/primitives.ts'
import { UpdateUser, User } from '../resources/user.ts'

const userId = Type.Object({ userId: ForeignId('The user') })

export const userApi = defineApi({
  service: 'user',
  title: 'User Service (reference)',
  version: '1.0.0',
  description: 'Users, their roles and status.',
  operations: {
    getUser: {
      method: 'GET',
      path: '/v1/users/{userId}',
      tag: 'Users',
      summary: 'User details',
      scope: 'users:read',
      params: userId,
      reply: { status: 200, body: User, description: 'User details' },
      conditional: true
    },
    updateUser: {
      method: 'PATCH',
      path: '/v1/users/{userId}',
      tag: 'Users',
      summary: 'Change a user (JSON merge patch)',
      scope: 'users:write',
      params: userId,
      body: UpdateUser,
      personal: ['name', 'email'],
      reply: { status: 200, body: User, description: 'The user as it is now' },
      conditional: true
    }
  }
})
